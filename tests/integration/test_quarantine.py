"""`ginkgo-data quarantine` on the real engine, and its commands on a real broker."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import date

import pytest

from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.quality_repository import ClickHouseQualityRepository
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.validation import validate
from ginkgo_data.entrypoints import cli
from support.bars import bars, business_days
from support.operated_fleet import OperatedFleet
from support.program import Ended

A, B = "000001.SZ", "600519.SH"
DAYS = business_days("2024-01-01", 5)
WEEK = (date(2024, 1, 1), date(2024, 1, 5))
Told = Callable[..., Ended]


@pytest.fixture
def told(store: ClickHouseClient, store_config: ClickHouseConfig, monkeypatch, capsys) -> Told:
    """Run `ginkgo-data quarantine OPTIONS` inside this process on a store with three rejected rows."""
    for name in [name for name in os.environ if name.startswith(("GINKGO_", "TUSHARE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    wrong = BarBatch.concat(
        [
            bars(A, DAYS[:1], [10.0], amounts=[1e6], version=1_704_153_600_000_000),
            bars(B, DAYS[:1], [1700.0], amounts=[17.0], version=1_704_240_000_000_000),
            bars(B, DAYS[1:2], [1700.0], opens=[None], version=1_704_240_000_000_000),
        ]
    )
    ClickHouseQualityRepository(store).quarantine(validate(wrong, sessions=DAYS).rejects)

    def run(*options: object, **env: str) -> Ended:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["ginkgo-data", "quarantine", *map(str, options), "--db", store_config.url])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    return run


def stored(store: ClickHouseClient) -> list[tuple[str, float, str]]:
    table = ClickHouseBarRepository(store).read(None, DAILY, *WEEK).table
    return list(zip(*(table[name].to_pylist() for name in ("code", "close", "source")), strict=True))


def test_rejected_rows_are_listed_and_shown_and_released_and_stay(store: ClickHouseClient, told: Told) -> None:
    listed = told("list")
    assert listed.code == 0
    assert [word in listed.out for word in (A, B, "unit_mismatch", "missing_value", "open null")] == [True] * 5
    assert "3 rejected rows" in listed.out
    assert told("list", "--codes", A).out.count("unit_mismatch") == 1
    assert "1 rejected rows of 3; --last 3 shows all" in told("list", "--last", 1).out
    rows = told("list", "--json", "--rule", "unit_mismatch").json
    assert [row["code"] for row in rows] == [B, A]
    shown = told("show", rows[0]["id"][:8])
    assert "What was paid per share lies outside the prices" in shown.out
    assert '"close": 1700' in shown.out
    released = told("release", rows[0]["id"], "--yes", "--note", "a split, checked")
    assert (released.code, "stored, and marked as released" in released.out) == (0, True)
    assert stored(store) == [(B, 1700.0, "test+released")]
    again = told("show", rows[0]["id"], "--json").json
    assert again[0]["released"]["note"] == "a split, checked"
    assert len(told("list", "--json").json) == 3
    assert len(told("list", "--json", "--pending").json) == 2
    assert "nothing to release" in told("release", rows[0]["id"], "--yes").out


def test_what_cannot_be_released_is_said_with_one_and_the_others_are_stored(
    store: ClickHouseClient, told: Told
) -> None:
    ended = told("release", "--all", "--yes", "--json")
    assert ended.code == 1
    outcome = {(row["code"], row["rule"]): row["refused"] for row in ended.json}
    assert outcome == {
        (A, "unit_mismatch"): None,
        (B, "unit_mismatch"): None,
        (B, "missing_value"): "the store cannot hold it: open is null (missing_value)",
    }
    assert [code for code, _, _ in stored(store)] == [A, B]


def test_wrong_use_is_refused(told: Told) -> None:
    for options in (("release",), ("release", "--all", "--rule", "zero_price"), ("refetch",)):
        ended = told(*options)
        assert ended.code == 2
        assert "name rows by id, --codes, --rule or --since, or all of them with --all" in ended.err
    assert "is the id of none" in told("show", "ffffffffffff").err
    unasked = told("release", "--all")
    assert (unasked.code, "--yes says so beforehand" in unasked.err) == (2, True)


def test_rows_are_fetched_again_by_commands_on_the_data_topic(kafka_server, told: Told) -> None:
    fleet = OperatedFleet(kafka_server)
    fleet.make_topics()
    try:
        ended = told("refetch", "--rule", "unit_mismatch", "--yes", **fleet.env)
        assert ended.code == 0, ended
        (value,) = fleet.values(fleet.data)
        sent = json.loads(value)
        assert (sent["command"], sent["params"]) == (
            "bar_snapshot",
            {
                "codes": [A, B],
                "start_date": "20240101",
                "end_date": "20240101",
                "frequency": "1d",
                "adjust_type": "none",
                "full": False,
                "force": True,
            },
        )
    finally:
        fleet.close()
