"""`ginkgo-data quality` and `rules list` as a person runs them, on the real engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.quality_repository import REPORT
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.quality_repository import ClickHouseQualityRepository
from ginkgo_data.adapters.kafka.report_wire import decode_report, report_schema
from ginkgo_data.domain.model.quality import Agreement
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.entrypoints import cli
from support.json_schema import faults
from support.program import Ended

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking", "disable-sync")
Told = Callable[..., Ended]


@pytest.fixture
def program(monkeypatch, capsys) -> Told:
    """Run `ginkgo-data OPTIONS` inside this process."""
    for name in [name for name in os.environ if name.startswith(("GINKGO_", "TUSHARE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("GINKGO_DIR", os.devnull)

    def run(*options: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["ginkgo-data", *map(str, options)])
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return run


@pytest.fixture
def told(store: ClickHouseClient, store_config: ClickHouseConfig, program: Told) -> Told:
    """Run `ginkgo-data quality OPTIONS` on a store with three reports, a day apart."""
    repository = ClickHouseQualityRepository(store)
    for n in range(3):
        made = REPORT.created_at + timedelta(days=n)
        repository.write_report(replace(REPORT, report_id=f"r{n}", created_at=made, missing_rate=0.02 * n))
    return lambda *options: program("quality", "--db", store_config.url, *options)


def test_the_newest_reports_are_shown_with_rules_and_codes(told: Told) -> None:
    ended = told("--last", 2)
    assert ended.code == 0
    assert [day in ended.out for day in ("2024-01-02 15", "2024-01-03 15", "2024-01-04 15")] == [False, True, True]
    assert "negative_price" in ended.out
    assert "000001.SZ 2024-01-02: close -1.5" in ended.out
    assert "lacking most  000002.SZ 2 (1d/none)" in ended.out
    assert "2 reports" in ended.out


def test_reports_since_a_day_are_one_json_object_of_what_was_sent(told: Told) -> None:
    found = told("--since", "2024-01-03", "--json").json
    assert [report["report_id"] for report in found["reports"]] == ["r2", "r1"]
    for sent in found["reports"]:
        assert list(faults(sent, report_schema())) == []
        assert decode_report(sent).node_id == REPORT.node_id
    assert found["rules"][0] | {"examples": []} == {
        "rule": "negative_price",
        "severity": "ERROR",
        "verdict": "reject",
        "count": 2,
        "examples": [],
        "reports": 2,
    }
    assert found["worst"][0]["code"] == "000002.SZ"


def test_second_opinions_are_told_by_who_was_asked(
    store: ClickHouseClient, store_config: ClickHouseConfig, program: Told, tmp_path: Path
) -> None:
    repository = ClickHouseQualityRepository(store)
    for n in range(2):
        found = Agreement("tushare", "files", 20, 19, 18 + n, 10, 10, 1)
        made = REPORT.created_at + timedelta(days=n)
        repository.write_report(replace(REPORT, report_id=f"r{n}", created_at=made, second_opinion=found))
    told = program("quality", "--db", store_config.url, "--html", tmp_path / "page.html")
    line = next(line for line in told.out.splitlines() if line.startswith("files on tushare"))
    assert line.split() == ["files", "on", "tushare", "2", "40", "38", "37", "97.37", "%", "100.00", "%"]
    assert "<td>files</td><td>tushare</td><td>2</td>" in (tmp_path / "page.html").read_text("utf-8")
    found = program("quality", "--db", store_config.url, "--json").json
    assert found["agreement"] == [
        {
            "about": "tushare",
            "source": "files",
            "asked": 40,
            "compared": 38,
            "agreed": 37,
            "compared_by_chance": 20,
            "agreed_by_chance": 20,
            "calls": 2,
            "reports": 2,
        }
    ]
    assert [(told["report_id"], told["agreed"]) for told in found["second_opinions"]] == [("r1", 19), ("r0", 18)]
    for sent in found["reports"]:
        assert list(faults(sent, report_schema())) == []


def test_where_no_report_is_stored_that_is_said_with_one(
    store: ClickHouseClient, store_config: ClickHouseConfig, program: Told
) -> None:
    ended = program("quality", "--db", store_config.url)
    assert ended.code == 1
    assert "no report is stored" in ended.out
    refused = program("quality", "--db", store_config.url, "--since", "soon")
    assert (refused.code, "--since is 'soon'; allowed: a day" in refused.err) == (2, True)


def test_a_page_is_written_that_needs_nothing_else(told: Told, tmp_path: Path) -> None:
    page = tmp_path / "quality.html"
    assert f"page written: {page}" in told("--html", page).out
    text = page.read_text("utf-8")
    assert text.count("<svg") == 5
    assert "default-src 'none'" in text
    refused = told("--html", tmp_path / "no" / "where.html")
    assert (refused.code, "cannot be written" in refused.err) == (2, True)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_browser_shows_the_page_without_a_complaint(told: Told, tmp_path: Path) -> None:
    page = tmp_path / "quality.html"
    told("--html", page)
    flags = [
        f"--{flag}" for flag in (*FLAGS, f"user-data-dir={tmp_path / 'profile'}", "dump-dom", "enable-logging=stderr")
    ]
    shown = subprocess.run(
        [str(BROWSER), *flags, page.as_uri()], capture_output=True, text=True, encoding="utf-8", timeout=120, check=True
    )
    assert shown.stdout.count("<circle") == 3 * 5
    assert "Content Security Policy" not in shown.stderr
    assert "CONSOLE" not in shown.stderr


def test_rules_are_listed_as_the_configuration_has_them(program: Told, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    plain = program("rules", "list", "--json").json
    assert [rule["id"] for rule in plain] == list(DEFAULT_RULES)
    assert all(rule["enabled"] and not rule.get("at") for rule in plain)
    assert all(rule["meaning"] and rule["source"] and rule["severity"] and rule["verdict"] for rule in plain)
    file = tmp_path / "data_worker.yml"
    file.write_text(
        "quality:\n  rules:\n    volume_spike: {times: 9, enabled: true}\n    stale_copy: {enabled: false}\n"
        "    zero_price: {1m: {enabled: false, severity: INFO}, 5m: {severity: INFO}}\n"
    )
    tuned = {rule["id"]: rule for rule in program("rules", "list", "--json", "--config", file).json}
    assert tuned["volume_spike"]["parameters"][0]["value"] == 9
    assert tuned["stale_copy"]["enabled"] is False
    assert tuned["zero_price"]["at"] == {"1m": {"enabled": False}, "5m": {"severity": "INFO"}}
    table = program("rules", "list", "--config", file).out
    assert "times 9" in table
    assert "1m: silent; 5m: severity INFO" in " ".join(table.split())
    assert f"{len(DEFAULT_RULES)} rules, 3 of them silenced or tuned" in table
    assert json.dumps(plain)
