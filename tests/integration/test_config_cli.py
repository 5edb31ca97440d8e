"""`ginkgo-data config`: what is in force and where it came from, a check, a template, a schema, and never a secret."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ginkgo_data.entrypoints import cli, upstream_names
from ginkgo_data.entrypoints.catalogue import entries
from ginkgo_data.entrypoints.given import dotted
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.entrypoints.settings import Settings

SECRETS = {
    "redis.password": "planted-redis",
    "clickhouse.password": "planted-store",
    "sources.tushare.token": "planted-token",
    "kafka.options.sasl.password": "planted-sasl",
}
FILE = """
worker: {concurrency: 3}
redis: {url: 'redis://:planted-redis@cache:6379/0'}
clickhouse: {url: 'clickhouse://me:planted-store@store/db'}
sources: {tushare: {token: planted-token}}
kafka: {options: {sasl.password: planted-sasl, security.protocol: SASL_SSL}}
"""


class Said:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """Run the command line as a person does, in an empty folder with nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("GINKGO_", "TUSHARE_", "KAFKA_", "REDIS_", "CLICKHOUSE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["ginkgo-data", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            logging.getLogger().handlers[:] = [
                h for h in logging.getLogger().handlers if "pytest" in type(h).__module__
            ]
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


def test_show_has_every_key_with_its_value_and_origin(here, monkeypatch, tmp_path):
    Path("data_worker.yml").write_text(FILE)
    monkeypatch.setenv("GINKGO_DATA__WORKER__FLEET_SIZE", "2")
    said = here("config", "show", "--origin")
    assert said.code == 0, said.err
    lines = {line.split()[0]: line.split(None, 2)[1:] for line in said.out.splitlines()}
    assert list(lines) == [dotted(entry.key) for entry in entries()]
    assert lines["worker.concurrency"] == ["3", "data_worker.yml:2:23"]
    assert lines["worker.fleet_size"] == ["2", "environment GINKGO_DATA__WORKER__FLEET_SIZE"]
    assert lines["worker.batch_size"] == ["1000", "default"]
    assert lines["clickhouse.password"] == ['"********"', "clickhouse.url, data_worker.yml:4:19"]
    assert lines["redis.url"] == ['"redis://cache:6379/0"', "data_worker.yml:3:14"]
    assert all(
        len(line.split()) == 2
        for line in here("config", "show").out.splitlines()
        if "[" not in line and "{" not in line
    )


def test_show_as_json(here):
    Path("other.yml").write_text(FILE)
    shown = here("config", "show", "--json", "--config", "other.yml").json
    assert shown["file"] == "other.yml"
    assert list(shown["settings"]) == [dotted(entry.key) for entry in entries()]
    assert shown["settings"]["worker.concurrency"] == {"value": 3, "origin": "other.yml:2:23"}
    assert shown["settings"]["kafka.options"] == {
        "value": {"sasl.password": "********", "security.protocol": "********"},
        "origin": "sasl.password: other.yml:6:34, security.protocol: other.yml:6:67",
    }
    assert shown["settings"]["redis.connect_timeout"] == {"value": 1.0, "origin": "default"}
    assert (shown["faults"], shown["warnings"]) == ([], [])


def test_show_of_a_faulty_file_shows_what_would_count_and_ends_with_2(here):
    Path("data_worker.yml").write_text("worker: {concurrency: 0, fleet_size: 2}\n")
    said = here("config", "show")
    assert said.code == 2
    assert "data_worker.yml:1:23: worker.concurrency: found 0" in said.err
    assert "used instead: worker.concurrency is 8" in said.err
    assert {"worker.concurrency 8", "worker.fleet_size 2"} <= {" ".join(line.split()) for line in said.out.splitlines()}
    (fault,) = here("config", "show", "--json").json["faults"]
    assert (fault["place"], fault["key"]) == ("data_worker.yml:1:23", "worker.concurrency")


def test_without_a_file_the_defaults_are_shown_and_that_is_said(here):
    said = here("config", "show")
    assert said.code == 0
    assert "no data_worker.yml found" in said.err


def test_check_says_everything_and_its_exit_code_is_the_verdict(here, monkeypatch):
    Path("bad.yml").write_text("worker:\n  concurrency: 0\n  pol_timeout: 1\n")
    said = here("config", "check", "bad.yml")
    assert said.code == 2
    assert [line.partition(": ")[2].partition(": ")[0] for line in said.err.splitlines()] == [
        "bad.yml:2:16",
        "bad.yml:3:16",
    ]
    assert "did you mean poll_timeout?" in said.err
    checked = here("config", "check", "bad.yml", "--json")
    assert (checked.code, checked.json["well"], len(checked.json["faults"])) == (2, False, 2)
    Path("good.yml").write_text(FILE)
    monkeypatch.setenv("GINKGO_DATA__WORKER__CONCURRENCY", "many")  # a check is about the file alone
    said = here("config", "check", "good.yml")
    assert (said.code, said.err) == (0, "")
    assert here("config", "check", "good.yml", "--json").json == {
        "file": "good.yml",
        "well": True,
        "faults": [],
        "warnings": [],
    }
    for there in ("nowhere.yml", "."):
        said = here("config", "check", there)
        assert (said.code, "cannot be read" in said.err, "Traceback" in said.err) == (2, True, False)


def test_init_writes_a_template_once(here):
    assert here("config", "init").code == 0
    text = Path("data_worker.yml").read_text()
    assert all(f"#{entry.key[-1]}: " in text for entry in entries())
    assert all(len(line) <= 100 or "://" in line or "#" in line for line in text.splitlines())
    assert load_settings(Path("data_worker.yml"), {}).settings == Settings()
    Path("data_worker.yml").write_text("mine")
    said = here("config", "init")
    assert (said.code, "is there already" in said.err) == (2, True)
    assert Path("data_worker.yml").read_text() == "mine"
    assert here("config", "init", "other.yml").code == 0
    assert Path("other.yml").read_text() == text
    said = here("config", "init", "no/such/folder.yml")
    assert (said.code, "cannot be written: No such file or directory" in said.err) == (2, True)


def test_every_key_is_explained():
    assert [dotted(entry.key) for entry in entries() if not entry.text] == []


def test_the_schema_knows_every_key_what_it_allows_and_means(here):
    schema = here("config", "schema").json
    sections = {name: schema["$defs"][value["$ref"].rpartition("/")[2]] for name, value in schema["properties"].items()}
    worker = sections["worker"]["properties"]
    assert worker["concurrency"]["maximum"] == 64
    assert worker["concurrency"]["description"] == "Vendor calls under way at once."
    assert worker["auto_offset_reset"]["enum"] == ["earliest", "latest"]
    assert sections["worker"]["additionalProperties"] is False
    assert set(worker) - set(Settings().worker.model_dump()) == {"topic"}
    described = [
        key for name in sections for key, value in sections[name]["properties"].items() if "description" in value
    ]
    assert {"url", "token", "interval"} - set(described) == {"token"}  # the token is one section deeper


def test_no_command_repeats_a_secret(here, monkeypatch):
    Path("data_worker.yml").write_text(FILE)
    assert {key: secret for key, secret in SECRETS.items() if secret not in FILE} == {}
    outputs = []
    for arguments in (
        ("show",),
        ("show", "--origin"),
        ("show", "--json"),
        ("check", "data_worker.yml"),
        ("init", "x.yml"),
    ):
        outputs.append(here("config", *arguments))
    for line in (
        "clickhouse: {passwrd: planted-store}",
        "redis: {url: 'redis://:planted-redis'}",
        "kafka: {options: {acks: all, sasl.password: planted-sasl}}",
        "sources: {tushare: planted-token}",
        "clickhouse: {password: *planted-store}",
    ):
        Path("bad.yml").write_text(line + "\n")
        bad = [
            here("config", *words, "bad.yml")
            for words in (("check",), ("show", "--config"), ("show", "--json", "--config"))
        ]
        assert [said.code for said in bad] == [2, 2, 2], line
        outputs += bad
        outputs += [
            here("status", "--config", "bad.yml"),
            here("worker", "start", "--strict-config", "--config", "bad.yml"),
        ]
        assert [said.code for said in outputs[-2:]] == [2, 2]
    monkeypatch.setenv("TUSHARE_TOKEN", "planted-token")
    monkeypatch.setenv("GINKGO_DATA__KAFKA__OPTIONS", "{sasl.password: planted-sasl")
    outputs.append(here("config", "show"))
    assert outputs[-1].code == 2
    assert all(said.out + said.err for said in outputs)
    assert "planted" not in "\n".join(said.out + said.err for said in outputs)


ROOT = Path(__file__).parents[2]


def test_the_page_of_the_configuration_has_every_key_as_the_models_have_it(tmp_path):
    table = [sys.executable, str(ROOT / "scripts" / "config_table.py"), "--page"]
    page = ROOT / "docs" / "configuration.md"
    assert subprocess.run([*table, str(page)], check=False).returncode == 0
    other = tmp_path / "page.md"
    other.write_text(page.read_text("utf-8").replace("| `concurrency` | `8` |", "| `concurrency` | `9` |"), "utf-8")
    assert subprocess.run([*table, str(other)], check=False, capture_output=True).returncode == 1
    assert subprocess.run([*table, str(other), "--write"], check=False).returncode == 0
    assert other.read_text("utf-8") == page.read_text("utf-8")


def test_the_page_of_the_configuration_names_every_variable_of_ginkgo():
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    for names in upstream_names.PARTS.values():
        stem, _, last = names[-1].rpartition("_")
        assert names[-1] in page or (f"`_{last}`" in page and stem in page), names
