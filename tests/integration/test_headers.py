"""The header checker finds every kind of lie, and writes the truth."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_headers.py"
spec = importlib.util.spec_from_file_location("check_headers", SCRIPT)
check_headers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_headers)


class House:
    """A small package with true headers, and the checker run on it."""

    def __init__(self, root: Path, capsys) -> None:
        self.root = root / "pkg"
        self._capsys = capsys
        self.put("__init__", "")
        self.put("model/__init__", "")
        self.put("model/bars", "import json\nimport numpy.typing\nimport pyarrow as pa\n")
        self.put("model/fetch", "from pkg.model.bars import Bars\n")
        self.put("ports/__init__", "")
        self.put("ports/source", "from pkg.model import bars, fetch\n")
        assert self.check("--write") == 0

    def put(self, name: str, code: str, upstream: str = "", downstream: str = "", role: str = " Something") -> Path:
        return self.text(name, f"# Upstream:{upstream}\n# Downstream:{downstream}\n# Role:{role}\n{code}")

    def text(self, name: str, text: str) -> Path:
        file = self.root / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def check(self, *arguments: str) -> int:
        status = check_headers.main(["--source", str(self.root), *arguments])
        self.output = self._capsys.readouterr().out
        return status

    def header(self, name: str) -> list[str]:
        return (self.root / f"{name}.py").read_text("utf-8").splitlines()[:3]

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.root / f"{name}.py").read_text("utf-8")
        assert old in text
        self.text(name, text.replace(old, new))


@pytest.fixture
def house(tmp_path, capsys) -> House:
    return House(tmp_path, capsys)


def test_this_project_can_be_checked_from_anywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert check_headers.SOURCE.name == "ginkgo_data"
    assert (check_headers.SOURCE / "ports" / "clock.py").is_file()


def test_what_was_written_is_true(house):
    assert house.check() == 0
    assert house.output == ""


def test_downstream_lists_our_modules_then_third_parties_and_no_standard_library(house):
    assert house.header("model/bars")[1] == "# Downstream: numpy, pyarrow"
    assert house.header("model/fetch")[1] == "# Downstream: model.bars"


def test_several_modules_of_one_package_are_put_in_braces(house):
    assert house.header("ports/source")[1] == "# Downstream: model.{bars, fetch}"


def test_upstream_lists_who_imports_the_module(house):
    assert house.header("model/bars")[0] == "# Upstream: model.fetch, ports.source"


def test_what_nobody_imports_and_what_imports_nothing_says_none(house):
    assert house.header("model/__init__")[:2] == ["# Upstream: none", "# Downstream: none"]


@pytest.mark.parametrize(
    ("name", "true", "lie"),
    [
        ("model/bars", "# Upstream: model.fetch, ports.source", "# Upstream: model.fetch"),
        ("model/bars", "# Upstream: model.fetch, ports.source", "# Upstream: model.fetch, model.x, ports.source"),
        ("model/bars", "# Upstream: model.fetch, ports.source", "# Upstream:"),
        ("model/bars", "# Downstream: numpy, pyarrow", "# Downstream: numpy"),
        ("model/bars", "# Downstream: numpy, pyarrow", "# Downstream: pyarrow, numpy"),
        ("model/fetch", "# Downstream: model.bars", "# Downstream: none"),
        ("model/__init__", "# Downstream: none", "# Downstream: json"),
        ("ports/source", "# Upstream: none", "# Upstream: hosts"),
    ],
)
def test_a_lie_is_found_and_printed_with_the_truth(house, name, true, lie):
    house.replace(name, true, lie)
    assert house.check() == 1
    assert f"{name}.py" in house.output
    assert f"found    {lie}\n" in house.output
    assert f"expected {true}\n" in house.output
    assert "faults: 1, files: 6" in house.output


def test_a_new_import_makes_both_its_ends_wrong(house):
    house.replace("model/bars", "import json", "import json\nfrom pkg.ports.source import Source")
    assert house.check() == 1
    assert "faults: 2" in house.output
    assert "expected # Downstream: ports.source, numpy, pyarrow" in house.output
    assert "expected # Upstream: model.bars" in house.output


@pytest.mark.parametrize(
    ("code", "downstream"),
    [
        ("if TYPE_CHECKING:\n    from pkg.model.bars import Bars\n", "model.bars"),
        ("def later():\n    from pkg.model.bars import Bars\n", "model.bars"),
        ("def later():\n    import pandas\n", "pandas"),
        ("from ..model import bars\n", "model.bars"),
        ("from ..model.bars import Bars\n", "model.bars"),
        ("from . import source\n", "ports.source"),
        ("from .source import Source\n", "ports.source"),
        ("import pkg.model.bars\n", "model.bars"),
        ("import pkg.model.bars as b, os.path\n", "model.bars"),
        ("from pkg import Settings\n", "pkg"),
        ("from pkg import model\n", "model"),
        ("import importlib\nimportlib.import_module('pkg.model.bars')\n", "model.bars"),
        ("from importlib import import_module\nimport_module('chdb')\n", "chdb"),
        ("from __future__ import annotations\nimport concurrent.futures\n", "none"),
    ],
)
def test_every_way_to_import_counts(house, code, downstream):
    house.put("ports/asker", code)
    assert house.check("--write") == 0
    assert house.header("ports/asker")[1] == f"# Downstream: {downstream}"


def test_a_package_imports_from_itself_by_its_own_name(house):
    house.put("ports/__init__", "from .source import Source\nfrom ..model.bars import Bars\n")
    assert house.check("--write") == 0
    assert house.header("ports/__init__")[1] == "# Downstream: model.bars, ports.source"
    assert house.header("ports/source")[0] == "# Upstream: ports"


def test_nobody_is_upstream_of_itself(house):
    house.put("ports/__init__", "from pkg.ports import Anything\n")
    assert house.check("--write") == 0
    assert house.header("ports/__init__")[:2] == ["# Upstream: none", "# Downstream: none"]


@pytest.mark.parametrize(("importers", "named"), [(4, "wide.{a0, a1, a2, a3}"), (5, "wide")])
def test_more_than_four_importers_of_one_package_are_named_by_the_package(house, importers, named):
    for n in range(importers):
        house.put(f"wide/a{n}", "from pkg.model.fetch import Fetch\n")
    assert house.check("--write") == 0
    assert house.header("model/fetch")[0] == f"# Upstream: ports.source, {named}"


def test_more_than_four_modules_used_of_one_package_are_all_named_while_they_fit(house):
    for n in range(6):
        house.put(f"wide/a{n}", "")
    house.put("ports/asker", "".join(f"import pkg.wide.a{n}\n" for n in range(6)))
    assert house.check("--write") == 0
    assert house.header("ports/asker")[1] == "# Downstream: wide.{a0, a1, a2, a3, a4, a5}"


def test_a_line_too_long_names_packages_until_it_fits(house):
    long = [f"deep/inner/quite_a_long_module_name_{n}" for n in range(4)]
    for name in long:
        house.put(name, "")
    lines = "".join(f"import pkg.{name.replace('/', '.')}\n" for name in long)
    house.put("ports/asker", lines + "import numpy\nimport pkg.model.bars\n")
    assert house.check("--write") == 0
    assert house.header("ports/asker")[1] == "# Downstream: deep.inner, model.bars, numpy"
    assert house.check() == 0


def test_the_deepest_packages_are_folded_first(house):
    far = [f"far/inner/quite_a_long_module_name_{n}" for n in range(2)]
    near = [f"near/quite_a_long_module_{n}" for n in range(3)]
    for name in far + near:
        house.put(name, "")
    house.put("ports/asker", "".join(f"import pkg.{name.replace('/', '.')}\n" for name in far + near))
    assert house.check("--write") == 0
    modules = ", ".join(name.removeprefix("near/") for name in near)
    assert house.header("ports/asker")[1] == f"# Downstream: far.inner, near.{{{modules}}}"


def test_free_text_counts_against_the_length_of_the_line(house):
    text = "; " + "x" * 85
    house.replace("ports/source", "# Downstream: model.{bars, fetch}", f"# Downstream:{text}")
    assert house.check("--write") == 0
    assert house.header("ports/source")[1] == f"# Downstream: model.{{bars, fetch}}{text}"
    house.replace("ports/source", text, text + "xx")
    assert house.check("--write") == 0
    assert house.header("ports/source")[1] == f"# Downstream: model{text}xx"


@pytest.mark.parametrize("line", ["# Role: Something", "# Upstream: none"])
def test_a_line_that_no_folding_can_shorten_is_an_error(house, line):
    house.replace("ports/source", line, f"{line}; " + "x" * 120)
    assert house.check("--write") == 1
    assert "longer than 120 characters" in house.output


def test_free_text_is_kept_and_does_not_hide_a_lie(house):
    house.replace("ports/source", "# Upstream: none", "# Upstream: gone.module; the console script; hosts")
    house.replace("model/fetch", "# Downstream: model.bars", "# Downstream: model.bars; the vendor")
    assert house.check() == 1
    assert "expected # Upstream: none; the console script; hosts" in house.output
    assert "model/fetch" not in house.output
    assert house.check("--write") == 0
    assert house.header("ports/source")[0] == "# Upstream: none; the console script; hosts"
    assert house.header("model/fetch")[1] == "# Downstream: model.bars; the vendor"


@pytest.mark.parametrize("arguments", [(), ("--write",)])
def test_an_empty_role_is_an_error_that_only_a_person_can_mend(house, arguments):
    house.replace("model/bars", "# Role: Something", "# Role: ")
    assert house.check(*arguments) == 1
    assert "bars.py: # Role: is empty" in house.output


@pytest.mark.parametrize(
    "text",
    [
        "",
        '"""No header."""\n',
        "# Upstream: none\n# Downstream: none\n",
        "# Downstream: none\n# Upstream: none\n# Role: In another order\n",
        "\n# Upstream: none\n# Downstream: none\n# Role: One line too late\n",
    ],
)
def test_a_file_without_the_three_lines_is_an_error_and_left_alone(house, text):
    file = house.text("model/late", text)
    assert house.check("--write") == 1
    assert "the first three lines must be" in house.output
    assert file.read_text("utf-8") == text


def test_writing_changes_nothing_but_the_two_lines(house):
    rest = '# Role:  Kept  \r\n"""Docs: £ 银杏."""\r\nimport json\r\n\r\nlast = "line without an end"'
    file = house.root / "model/odd.py"
    file.write_bytes(f"# Upstream: lie\r\n# Downstream:\r\n{rest}".encode())
    assert house.check("--write") == 0
    assert file.read_bytes() == f"# Upstream: none\r\n# Downstream: none\r\n{rest}".encode()


def test_a_true_file_is_not_written_at_all(house):
    file = house.root / "model/bars.py"
    before = file.stat().st_mtime_ns
    assert house.check("--write") == 0
    assert file.stat().st_mtime_ns == before


def test_only_the_paths_given_are_checked_and_written_but_all_importers_count(house):
    house.replace("model/bars", "# Upstream: model.fetch, ports.source", "# Upstream: lie")
    house.replace("ports/source", "# Upstream: none", "# Upstream: lie")
    assert house.check(str(house.root / "model" / "fetch.py")) == 0
    assert house.check(str(house.root / "ports")) == 1
    assert "bars.py" not in house.output
    assert house.check("--write", str(house.root / "model")) == 0
    assert house.header("model/bars")[0] == "# Upstream: model.fetch, ports.source"
    assert house.header("ports/source")[0] == "# Upstream: lie"


def test_a_path_outside_the_package_is_refused(house, tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        house.check(str(tmp_path / "elsewhere.py"))
    assert refused.value.code == 2
    assert "elsewhere.py holds no source file" in capsys.readouterr().err


def test_a_package_without_files_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        check_headers.main(["--source", str(tmp_path)])
    assert refused.value.code == 2
    assert "holds no source file" in capsys.readouterr().err


def test_a_file_that_cannot_be_parsed_is_named(house):
    house.put("model/broken", "def (:\n")
    assert house.check() == 1
    assert "broken.py: cannot be parsed" in house.output
