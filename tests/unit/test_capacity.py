"""What the page of capacity reckons with is what the planner would do."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "capacity.md"
spec = importlib.util.spec_from_file_location("capacity", ROOT / "scripts" / "capacity.py")
capacity = importlib.util.module_from_spec(spec)
sys.modules["capacity"] = capacity
spec.loader.exec_module(capacity)


def daily(**changes: object) -> capacity.Asked:
    return capacity.Asked(**{"codes": 100, "sessions": 50, **changes})


def minutes(frequency: str, row_limit: int, **changes: object) -> capacity.Asked:
    """Return what a vendor of minute bars is asked: one code a call."""
    return daily(codes=10, frequency=frequency, row_limit=row_limit, codes_per_call=1, by_session=False, **changes)


def test_the_examples_of_the_page_are_what_the_script_says():
    assert capacity.examples() in PAGE.read_text("utf-8")


@pytest.mark.parametrize(
    ("asked", "by_code", "by_session", "planned"),
    [
        (daily(codes=5000, sessions=1), 5, 1, 1),
        (daily(codes=100, sessions=50), 1, 50, 1),
        (daily(codes=10, sessions=10, codes_per_call=1, by_session=False), 10, None, 10),
        (daily(codes=10, sessions=10, codes_per_call=0), None, 10, 10),
        (minutes("15m", 8000, sessions=470), 10, None, 10),
        (minutes("15m", 8000, sessions=471), 20, None, 20),
        (minutes("1m", 240, sessions=1), 10, None, 10),
    ],
)
def test_calls_are_counted_each_way(asked, by_code, by_session, planned):
    calls = capacity.calls_for(asked)
    assert (calls.by_code, calls.by_session, calls.planned) == (by_code, by_session, planned)


def test_a_long_history_of_many_codes_is_planned_in_the_parts_that_a_worker_would_make():
    # Four million cells of calendar days are one part: whatever was fetched whole for one serves the others.
    whole = capacity.calls_for(daily(codes=5000, sessions=1215, codes_per_call=1))
    assert (whole.by_code, whole.by_session, whole.planned) == (5000, 1215, 1215)


def test_minutes_and_workers_follow_from_the_quota_and_the_vendors_pace():
    found = capacity.effort(calls=1900, calls_per_minute=200, seconds_per_call=1.0, concurrency=8)
    assert found.minutes == pytest.approx(10.0)
    assert found.under_way == pytest.approx(190 / 60)
    assert found.workers == 1
    assert capacity.effort(1900, 200, 5.0, 8).workers == 2
    assert capacity.effort(1900, 200, 5.0, 1).workers == 16


def test_the_command_line_prints_them(capsys):
    capacity.main(["--codes", "5000", "--sessions", "1", "--calls-per-minute", "200"])
    said = capsys.readouterr().out
    assert "by code 5 calls, by session 1; planned: 1" in said
    assert "5,000 rows" in said
