"""A vendor behind HTTP through the whole flow: fewest calls, and no trouble of its that becomes a success."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest

from support.bars import business_days
from support.program import Ended, dump, run
from support.shared_data import needs_shared
from support.tushare_market import REAL_DAILY as REAL_FILE
from support.tushare_market import made_up_market, read_daily, real_market
from support.tushare_server import (
    TushareServer,
    bad_token,
    dropped,
    empty,
    http_status,
    rate_limited,
    slow,
)

CODES = [f"{600000 + n}.SH" for n in range(20)]
SESSIONS = business_days("2020-06-01", 12)
TOKEN = "planted-token-0123456789abcdef"
SPAN = ("--start", "2020-06-01", "--end", "2020-06-12")


@pytest.fixture
def server() -> Iterator[TushareServer]:
    with TushareServer(made_up_market(CODES, SESSIONS), token=TOKEN) as running:
        yield running


def collect(server: TushareServer, tmp_path, *options: object, timeout: float = 30) -> Ended:
    config = tmp_path / "tushare.yml"
    config.write_text(
        f"sources: {{bars: [tushare], tushare: {{base_url: '{server.url}', timeout: {timeout}}}}}\n"
        "worker: {retry_attempts: 2}\n"
    )
    environment = {"TUSHARE_TOKEN": TOKEN, "NO_PROXY": "127.0.0.1"}
    return run("quickstart", "--config", config, "--dir", tmp_path / "db", *SPAN, *options, "--json", env=environment)


def test_a_market_is_collected_with_one_call_for_all_codes(server, tmp_path):
    ended = collect(server, tmp_path)
    assert ended.code == 0, ended.err
    account = ended.json
    assert (account["coverage"]["held"], account["coverage"]["unexplained"]) == (20 * 10, 0)
    assert server.calls["daily"] == 1
    again = collect(server, tmp_path).json
    assert again["bars_written"] == 0
    assert server.calls["daily"] == 1


@pytest.mark.parametrize(
    "fault",
    [http_status(500), dropped(), slow(3.0), pytest.param(rate_limited(200), marks=pytest.mark.soak)],
    ids=["HTTP 500", "dropped connection", "slow answer", "rate limit"],
)
def test_passing_trouble_is_overcome(server, tmp_path, fault):
    server.script("daily", fault)
    ended = collect(server, tmp_path, timeout=1.0)
    if ended.code == 1:  # the quota opens at the next minute: the command was kept, nothing was claimed
        assert ended.json["postponed"]
        assert ended.json["coverage"]["held"] == 0
    else:
        assert ended.json["coverage"]["held"] == 200


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(http_status(500), "server_error", marks=pytest.mark.soak),
        pytest.param(dropped(), "unreachable", marks=pytest.mark.soak),
        (bad_token(), "bad_token"),
        (empty(), "empty_without_evidence"),
    ],
    ids=["HTTP 500", "dropped connection", "bad token", "empty answers"],
)
def test_lasting_trouble_is_never_a_success(server, tmp_path, fault, said):
    server.script("daily", *[fault] * 100)
    ended = collect(server, tmp_path)
    account = ended.json
    assert ended.code == 1
    assert not account["done"]
    assert (account["bars_written"], account["coverage"]["held"]) == (0, 0)
    assert "source_error" in {alert["type"] for alert in account["alerts"]}
    assert said in str(account["postponed"]) + str(account["dead_letters"])
    assert TOKEN not in ended.out + ended.err


def test_a_wrong_token_is_said_in_one_message_with_what_to_set(server, tmp_path):
    config = tmp_path / "tushare.yml"
    config.write_text(f"sources: {{bars: [tushare], tushare: {{base_url: '{server.url}'}}}}\n")
    ended = run("quickstart", "--config", config, "--dir", tmp_path / "db")
    assert ended.code == 2
    assert "TUSHARE_TOKEN" in ended.err
    assert "Traceback" not in ended.err


def test_a_suspended_code_is_absent_and_explained(tmp_path):
    market = made_up_market(CODES, SESSIONS, missing={(CODES[3], "20200604"): None})
    with TushareServer(market, token=TOKEN) as server:
        account = collect(server, tmp_path).json
    assert (account["coverage"]["held"], account["coverage"]["absent"]) == (199, 1)
    assert account["coverage"]["unexplained"] == 0


@needs_shared
def test_the_shared_market_is_collected_with_the_fewest_calls_and_stored_exactly(tmp_path):
    with TushareServer(real_market(), token=TOKEN) as server:
        span = ("--start", "2019-01-02", "--end", "2020-05-08")
        account = collect(server, tmp_path, *span).json
        # 10,774 rows at fewer than 6,000 a reply: two calls are the least there can be.
        assert server.calls["daily"] == 2
    vendor = read_daily(REAL_FILE).to_pylist()
    rows = list(csv.DictReader(io.StringIO(dump(tmp_path / "db"))))
    assert account["coverage"]["held"] == len(rows) == len(vendor)
    stored = {(row["code"], row["session"].replace("-", "")): row for row in rows}
    for wanted in vendor:
        row = stored[wanted["ts_code"], wanted["trade_date"]]
        assert [float(row[n]) for n in ("open", "high", "low", "close")] == [
            float(wanted[n]) for n in ("open", "high", "low", "close")
        ]
        assert int(row["volume"]) == round(float(wanted["vol"]) * 100)
