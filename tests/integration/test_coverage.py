"""`ginkgo-data coverage` on the real engine: figures, ranges, exit codes, and a page that says the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date
from html.parser import HTMLParser

import pytest

from ginkgo_data.adapters.clickhouse.absence_repository import ClickHouseAbsenceRepository
from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.reference_repository import ClickHouseReferenceRepository
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences
from ginkgo_data.domain.model.series import Series
from ginkgo_data.entrypoints import cli
from support.bars import bars
from support.program import Ended, run
from support.shared_data import SHARED, needs_shared
from support.stack import listed

WEEK = ("2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-08")
A, B, C = "000001.SZ", "600519.SH", "000002.SZ"
WINDOW = ("--start", "2020-01-01", "--end", "2020-01-08")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking")
MORE_FLAGS = ("disable-component-update", "disable-sync", "virtual-time-budget=5000", "dump-dom")
Told = Callable[..., Ended]


@pytest.fixture
def told_of(store: ClickHouseClient, store_config: ClickHouseConfig, monkeypatch, capsys) -> Told:
    """Run `ginkgo-data coverage OPTIONS` inside this process, on an empty database."""
    for name in [name for name in os.environ if name.startswith(("GINKGO_", "TUSHARE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")

    def told(*options: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["ginkgo-data", "coverage", "--db", store_config.url, *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    return told


@pytest.fixture
def coverage(store: ClickHouseClient, told_of: Told) -> Told:
    """The same where A is suspended on one session, B lacks two in a row (once without a row), and C is whole."""
    series = Series()
    first, second, third, fourth, _ = (date.fromisoformat(day) for day in WEEK)
    repository, absences = ClickHouseBarRepository(store), ClickHouseAbsenceRepository(store)
    repository.write(bars(A, [WEEK[0], *WEEK[2:]]))
    repository.write(bars(B, [*WEEK[:2], WEEK[4]]))
    repository.write(bars(C, WEEK))
    told = [(A, second, AbsenceReason.SUSPENDED, "the vendor says so"), (B, fourth, AbsenceReason.NO_ROW, "no row")]
    absences.write_absences(Absences.of([*told, (C, third, AbsenceReason.SUSPENDED, "but held")], "test", 1), series)
    ClickHouseReferenceRepository(store).write_securities(listed([A, B, C], first))
    return told_of


class Page(HTMLParser):
    """What a reader without JavaScript gets, and the data that the script gets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.legend: dict[str, int] = {}
        self.rows: list[list[str]] = []
        self.addresses: list[str] = []
        self.root: dict[str, str | None] = {}
        self.data: dict = {}
        self._inside: list[str] = []
        self._state: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self._inside.append("data" if given.get("id") == "data" else tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "action")]
        self._state = given.get("data-state", self._state)
        if tag == "html":
            self.root = given
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, text: str) -> None:
        inside = self._inside[-1] if self._inside else ""
        if inside == "data":
            self.data = json.loads(text)
        elif inside == "b" and self._state:
            self.legend[self._state] = int(text.replace(",", ""))
        elif "td" in self._inside and self.rows:
            self.rows[-1].append(text)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() not in (tag, "data"):
            pass

    def cells(self) -> dict[str, list[str]]:
        """The words of the states of every cell, by code."""
        words = {state["letter"]: state["word"] for state in self.data["states"]}
        found = {}
        for code, runs in zip(self.data["codes"], self.data["runs"], strict=True):
            pairs = re.findall(r"([a-z])(\d*)", runs)
            assert "".join(map("".join, pairs)) == runs
            found[code] = [words[letter] for letter, count in pairs for _ in range(int(count or 1))]
        return found


def same_figures(page: Page, told: dict) -> None:
    """Assert that cells, legend and table of the page say what the JSON says."""
    cells = page.cells()
    assert set(cells) == {entry["code"] for entry in told["codes"]}
    assert {len(row) for row in cells.values()} == {told["sessions"]} == {len(page.data["sessions"])}
    words = Counter(word for row in cells.values() for word in row)
    figures = {"held": told["held"], **told["absent_by_reason"], **told["unexplained_by_cause"]}
    assert {word: words[word] for word in figures} == figures
    assert page.legend == {word: words[word] for word in page.legend}
    assert sum(page.legend.values()) == sum(words.values())
    place = {day: number for number, day in enumerate(page.data["sessions"])}
    for entry in told["codes"]:
        row = cells[entry["code"]]
        assert entry["held"] == row.count("held")
        ranges = [(r, r["cause"]) for r in entry["unexplained_ranges"]] + [(r, r["reason"]) for r in entry["absences"]]
        for run_, word in ranges:
            part = row[place[run_["first"]] : place[run_["last"]] + 1]
            assert part == [word] * run_["sessions"]
        assert sum(run_["sessions"] for run_, _ in ranges) == entry["absent"] + entry["unexplained"]
    listed = [(row[0], int(row[-4].replace(",", ""))) for row in page.rows if row]
    assert listed == [(entry["code"], entry["unexplained"]) for entry in told["codes"][:100]]


def test_the_table_tells_the_figures_and_the_worst_codes(coverage):
    ended = coverage("--adjust", "none", *WINDOW)
    assert ended.code == 1, ended.err
    assert (
        "14 expected, 12 held, 1 absent (1 suspended), 2 unexplained (1 no row in the answer, 1 no answer yet)"
        in ended.out
    )
    assert "missing rate 14.29%" in ended.out
    assert B in ended.out
    assert A not in ended.out
    assert A in coverage(*WINDOW, "--all").out


def test_a_complete_window_ends_with_zero(coverage):
    ended = coverage("--codes", f"{C},sz000001", *WINDOW)
    assert ended.code == 0, ended.out
    assert "0 unexplained; missing rate 0.00%" in ended.out


def test_json_is_one_object_with_ranges(coverage):
    ended = coverage(*WINDOW, "--json")
    assert ended.code == 1
    told = ended.json
    assert told["complete"] is False
    assert (told["expected"], told["held"], told["absent"], told["unexplained"]) == (14, 12, 1, 2)
    assert told["missing_rate"] == round(2 / 14, 6)
    worst, suspended, whole = (next(e for e in told["codes"] if e["code"] == code) for code in (B, A, C))
    assert told["codes"][0] == worst
    assert worst["unexplained_ranges"] == [
        {"first": "2020-01-06", "last": "2020-01-06", "sessions": 1, "cause": "unrecorded"},
        {"first": "2020-01-07", "last": "2020-01-07", "sessions": 1, "cause": "no_row"},
    ]
    assert suspended["absences"] == [
        {"first": "2020-01-03", "last": "2020-01-03", "sessions": 1, "reason": "suspended"}
    ]
    assert whole["unexplained_ranges"] == whole["absences"] == []


def test_the_page_says_what_the_json_says_and_needs_nothing_else(coverage, tmp_path):
    file = tmp_path / "page.html"
    told = coverage(*WINDOW, "--json", "--html", file).json
    page = Page(file.read_text("utf-8"))
    same_figures(page, told)
    assert page.cells()[A] == ["held", "suspended", "held", "held", "held"]
    assert page.addresses == []
    assert not re.search(r"https?://|@import|url\(", file.read_text("utf-8"))
    assert "<!--" not in file.read_text("utf-8")


@needs_shared
@pytest.mark.parametrize(
    ("name", "adjust", "window", "expected"),
    [
        ("tushare_daily_raw_2019_2020.csv", "none", ("2019-01-02", "2020-05-08"), (11_209, 10_774, 0, 435)),
        ("baostock_qfq_2017_202008.csv", "qfq", ("2017-01-03", "2020-08-24"), (5_031, 5_031, 291, 0)),
    ],
)
def test_real_files_are_told_exactly_as_their_collection_reported_them(name, adjust, window, expected, tmp_path):
    collected = run("quickstart", "--from", SHARED / "daily" / name, "--dir", tmp_path / "db", "--json").json
    file = tmp_path / "page.html"
    options = ("--adjust", adjust, "--start", window[0], "--end", window[1])
    ended = run("coverage", "--db", tmp_path / "db", *options, "--json", "--html", file)
    told = ended.json
    assert (told["expected"], told["held"], told["absent"], told["unexplained"]) == expected
    assert {figure: told[figure] for figure in collected["coverage"]} == collected["coverage"]
    assert ended.code == (1 if expected[-1] else 0)
    same_figures(Page(file.read_text("utf-8")), told)


@pytest.mark.skipif(BROWSER is None, reason="no chromium here to look at the page with")
def test_a_browser_draws_the_cells_that_the_page_holds(coverage, tmp_path):
    file = tmp_path / "page.html"
    told = coverage(*WINDOW, "--json", "--html", file).json
    # What a person would do: tell of the first cell by key, look for one code, order by code.
    acts = """<script>
      document.getElementById("cells").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
      document.documentElement.dataset.said = document.getElementById("said").textContent;
      document.querySelector('button[data-order="code"]').click();
      document.documentElement.dataset.codes = [...document.querySelectorAll("td button")].map(b => b.textContent);
      document.getElementById("find").value = "000002";
      document.getElementById("find").dispatchEvent(new Event("input"));
      document.documentElement.dataset.shown = document.getElementById("shown").textContent;
      const all = document.getElementById("cells");
      const ink = all.getContext("2d").getImageData(0, 0, all.width, all.height).data;
      document.documentElement.dataset.ink = ink.some(value => value) ? "drawn" : "empty";
    </script></body>"""
    file.write_text(file.read_text("utf-8").replace("</body>", acts), "utf-8")
    flags = [f"--{flag}" for flag in (*FLAGS, f"user-data-dir={tmp_path / 'profile'}", *MORE_FLAGS)]
    seen = subprocess.run([BROWSER, *flags, file.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    root = Page(seen.stdout).root
    drawn = json.loads(root["data-drawn"])
    assert drawn["held"] == told["held"]
    assert drawn["suspended"] == told["absent"]
    assert drawn["no_row"] + drawn["unrecorded"] == told["unexplained"]
    assert root["data-said"].startswith(f"{B} name of {B} · 2020-01-02 · held · 2020-01-02 … 2020-01-03, 2 sessions")
    assert root["data-codes"] == f"{A},{C},{B}"
    assert root["data-shown"] == "1 of 3 codes"
    assert root["data-ink"] == "drawn"


WRONG = {
    "an unknown code": (("--codes", f"{A},600000.SH"), "600000.SH"),
    "a word for a code": (("--codes", "apple"), "apple"),
    "start after end": (("--start", "2020-02-01", "--end", "2020-01-01"), "after"),
    "start in the future": (("--start", "2199-01-01"), "future"),
    "no day": (("--start", "yesterday"), "yesterday"),
    "a frequency nobody has": (("--frequency", "2d"), "2d"),
    "a page that cannot be written": ((*WINDOW, "--html", "/proc/none/page.html"), "/proc/none/page.html"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_said_in_one_message_and_ends_with_two(coverage, name):
    options, said = WRONG[name]
    ended = coverage(*options)
    assert ended.code == 2, ended.out + ended.err
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_a_database_that_is_not_there_ends_with_two_and_makes_none(told_of, tmp_path):
    ended = told_of("--db", tmp_path / "nothing")
    assert ended.code == 2
    assert str(tmp_path / "nothing") in ended.err
    assert not (tmp_path / "nothing").exists()


def test_an_empty_database_is_wrong_use_and_no_complete_one(told_of):
    ended = told_of(*WINDOW)
    assert ended.code == 2
    assert "no securities and no session of 1d/none bars" in ended.err


def test_securities_without_one_bar_are_missing_whole(store, told_of):
    ClickHouseReferenceRepository(store).write_securities(listed([A, B], date(2020, 1, 1)))
    ended = told_of(*WINDOW, "--json")
    assert ended.code == 1
    assert (ended.json["held"], ended.json["unexplained"], ended.json["missing_rate"]) == (0, 10, 1.0)


def test_a_window_in_which_nothing_was_due_says_so(coverage):
    ended = coverage("--start", "2020-01-04", "--end", "2020-01-05")
    assert ended.code == 0
    assert "no session is due" in ended.out
