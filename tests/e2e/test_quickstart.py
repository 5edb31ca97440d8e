"""The main job as a newcomer runs it: quickstart and bars, each in a process of its own."""

from __future__ import annotations

import csv
import io
import os
import random
import shutil
import signal
import time

import pytest

from support.program import dump, run, start
from support.shared_data import SHARED, needs_shared

TUSHARE_FILE = SHARED / "daily" / "tushare_daily_raw_2019_2020.csv"
REPEATS = int(os.environ.get("GINKGO_TEST_REPEATS", "2"))
HEADER = "ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount"


def small_file(path, *extra: str, sessions=("20200102", "20200103", "20200106", "20200107", "20200108")):
    """Write a Tushare-shaped file of one code and return its path; `extra` lines come last."""
    lines = [HEADER]
    for number, session in enumerate(sessions):
        close = 10 + number
        lines.append(f"000001.SZ,{session},{close},{close},{close},{close},{close - 1},1,1,100,{close * 10}")
    path.write_text("\n".join([*lines, *extra]) + "\n", encoding="utf-8")
    return path


def stored(directory, *options: str) -> list[dict[str, str]]:
    ended = run("bars", "000001.SZ", "--db", directory, "--format", "csv", *options)
    assert ended.code in (0, 1), ended.err
    return list(csv.DictReader(io.StringIO(ended.out)))


def test_the_synthetic_sample_runs_through_and_says_that_it_is_synthetic(tmp_path):
    ended = run("quickstart", "--dir", tmp_path / "db")
    assert ended.code == 0, ended.err
    assert "SYNTHETIC" in ended.out
    assert "0 unexplained" in ended.out
    assert "Next" in ended.out


def test_what_the_summary_tells_to_type_next_works(tmp_path):
    ended = run("quickstart", "--dir", tmp_path / "db")
    line = ended.out.strip().splitlines()[-1].split()
    assert line[:2] == ["ginkgo-data", "bars"]
    shown = run(*line[1:])
    assert shown.code == 0, shown.err
    assert "source synthetic" in shown.out


def test_what_the_summary_tells_to_type_next_works_with_ginkgos_tables(tmp_path):
    (tmp_path / "worker.yml").write_text("clickhouse: {layout: ginkgo}\n")
    archive = small_file(tmp_path / "bars.csv")
    ended = run("quickstart", "--from", archive, "--dir", tmp_path / "db", "--config", tmp_path / "worker.yml")
    assert ended.code == 0, ended.err
    shown = run(*ended.out.strip().splitlines()[-1].split()[1:])
    assert (shown.code, "5 bars" in shown.out) == (0, True), shown.err


def test_json_is_one_object_with_the_promised_keys(tmp_path):
    account = run("quickstart", "--from", small_file(tmp_path / "bars.csv"), "--dir", tmp_path / "db", "--json").json
    assert (account["bars_written"], account["bars_rejected"], account["inserts"]) == (5, 0, 1)
    assert account["coverage"] == {"expected": 5, "held": 5, "absent": 0, "unexplained": 0}
    assert account["missing_rate"] == 0.0
    # From December on the calendar's own end is told, whatever the data are.
    assert [alert for alert in account["alerts"] if alert["type"] != "calendar_horizon"] == []
    assert account["commands"] >= 2
    assert account["duration_seconds"] > 0
    assert account["database"] == f"chdb://{tmp_path / 'db'}"


def test_lots_and_thousand_yuan_are_stored_as_shares_and_yuan(tmp_path):
    run("quickstart", "--from", small_file(tmp_path / "bars.csv"), "--dir", tmp_path / "db")
    first = stored(tmp_path / "db")[0]
    assert first == {
        "code": "000001.SZ",
        "frequency": "1d",
        "adjust": "none",
        "session": "2020-01-02",
        "timestamp": "2020-01-02T00:00:00+08:00",
        "open": "10",
        "high": "10",
        "low": "10",
        "close": "10",
        "pre_close": "9",
        "volume": "10000",
        "amount": "100000",
        "source": "files",
    }


def test_start_and_end_cut_what_is_shown(tmp_path):
    run("quickstart", "--from", small_file(tmp_path / "bars.csv"), "--dir", tmp_path / "db")
    shown = stored(tmp_path / "db", "--start", "2020-01-03", "--end", "20200106")
    assert [row["session"] for row in shown] == ["2020-01-03", "2020-01-06"]


def test_a_second_run_writes_nothing_and_asks_for_nothing_held(tmp_path):
    file = small_file(tmp_path / "bars.csv")
    run("quickstart", "--from", file, "--dir", tmp_path / "db")
    again = run("quickstart", "--from", file, "--dir", tmp_path / "db", "--json").json
    assert (again["bars_written"], again["inserts"], again["calls"]) == (0, 0, 0)
    assert again["coverage"]["held"] == 5


BAD_ROWS = {
    "a date that is no date": ("000001.SZ,2020-13-77,9,9,9,9,9,0,0,100,90", "2020-13-77"),
    "a missing price": ("000001.SZ,20200109,NaN,9,9,9,9,0,0,100,90", "open"),
    "a negative price": ("000001.SZ,20200110,-9,9,-9,9,9,0,0,100,90", "negative_price"),
    "high below low": ("000001.SZ,20200113,9,8,9,9,9,0,0,100,90", "high_below_open_or_close"),
    "lots given as shares": ("000001.SZ,20200114,9,9,9,9,9,0,0,10000,90", "unit_mismatch"),
    "a duplicate row": ("000001.SZ,20200108,14,14,14,14,13,1,1,100,140", "duplicate_key"),
    "a row on a Sunday": ("000001.SZ,20200105,9,9,9,9,9,0,0,100,90", "not_a_session"),
    "a text for a price": ("000001.SZ,20200115,nine,9,9,9,9,0,0,100,90", "nine"),
}


def test_bad_rows_are_rejected_with_line_and_value_and_the_good_ones_are_stored(tmp_path):
    file = small_file(tmp_path / "bars.csv", *(line for line, _ in BAD_ROWS.values()))
    ended = run("quickstart", "--from", file, "--dir", tmp_path / "db")
    assert f"{len(BAD_ROWS)} rejected into quarantine" in ended.out, ended.out + ended.err
    for number, (name, (_, said)) in enumerate(BAD_ROWS.items(), start=7):
        assert f"{file.name}:{number}" in ended.out, (name, ended.out)
        assert said in ended.out, (name, ended.out)
    assert len(stored(tmp_path / "db")) == 5


def test_rows_at_the_edge_that_can_be_no_sessions_are_rejected_and_stretch_nothing(tmp_path):
    days = {"a closed day": "20200111", "the future": "20990105", "1970": "19700102"}
    file = small_file(tmp_path / "bars.csv", *(f"000001.SZ,{day},9,9,9,9,9,0,0,100,90" for day in days.values()))
    account = run("quickstart", "--from", file, "--dir", tmp_path / "db", "--json").json
    assert (account["bars_written"], account["bars_rejected"]) == (5, len(days))
    assert account["coverage"] == {"expected": 5, "held": 5, "absent": 0, "unexplained": 0}


def test_a_stray_quote_costs_its_line_and_no_other(tmp_path):
    file = small_file(tmp_path / "bars.csv")
    lines = file.read_text().splitlines()
    lines[2] = '"' + lines[2]
    file.write_text("\n".join(lines) + "\n")
    account = run("quickstart", "--from", file, "--dir", tmp_path / "db", "--json").json
    assert (account["bars_written"], account["bars_rejected"]) == (4, 1)
    assert account["coverage"]["unexplained"] == 1


def test_a_partial_minute_session_is_completed_when_the_file_grows(tmp_path):
    clocks = ("10:30:00", "11:30:00", "14:00:00", "15:00:00")
    lines = ["datetime,open,high,low,close,volume", *(f"2020-01-02 {clock},9,9,9,9,100" for clock in clocks)]
    file = tmp_path / "600000.csv"
    options = ("quickstart", "--from", file, "--dir", tmp_path / "db", "--json")
    file.write_text("\n".join([*lines[:3], lines[3].replace("2020-01-02", "2020-01-03")]) + "\n")
    first = run(*options).json
    assert first["coverage"]["held"] == 0
    file.write_text("\n".join(lines) + "\n")
    assert run(*options).json["coverage"] == {"expected": 1, "held": 1, "absent": 0, "unexplained": 0}


def test_force_fetches_what_is_held_again_and_a_corrected_price_wins(tmp_path):
    file = small_file(tmp_path / "bars.csv")
    run("quickstart", "--from", file, "--dir", tmp_path / "db")
    file.write_text(file.read_text().replace("000001.SZ,20200102,10,10,10,10", "000001.SZ,20200102,10,10,9.9,10"))
    run("quickstart", "--from", file, "--dir", tmp_path / "db")
    assert stored(tmp_path / "db")[0]["low"] == "10"
    run("quickstart", "--from", file, "--dir", tmp_path / "db", "--force")
    assert stored(tmp_path / "db")[0]["low"] == "9.9"


def test_a_file_of_which_nothing_can_be_stored_is_no_success(tmp_path):
    file = tmp_path / "bars.csv"
    file.write_text(f"{HEADER}\n000001.SZ,20200102,-9,9,-9,9,9,0,0,100,90\n")
    ended = run("quickstart", "--from", file, "--dir", tmp_path / "db")
    assert ended.code == 1
    assert "nothing could be stored" in ended.out


def test_bars_never_makes_an_engine_in_a_folder_that_is_none(tmp_path):
    (tmp_path / "mine").mkdir()
    ended = run("bars", "000001.SZ", "--db", tmp_path / "mine")
    assert ended.code == 2
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_missing_column_is_refused_with_file_and_column(tmp_path):
    file = tmp_path / "bars.csv"
    file.write_text("ts_code,trade_date,open,high,low,vol,amount\n000001.SZ,20200102,1,1,1,1,1\n")
    ended = run("quickstart", "--from", file, "--dir", tmp_path / "db")
    assert ended.code == 1
    assert "bars.csv" in ended.err
    assert "close" in ended.err
    assert "Traceback" not in ended.err


def test_a_file_without_one_readable_row_is_an_error_that_names_the_first(tmp_path):
    file = tmp_path / "bars.csv"
    file.write_text(f"{HEADER}\n000001.SZ,yesterday,1,1,1,1,1,0,0,1,1\n")
    ended = run("quickstart", "--from", file, "--dir", tmp_path / "db")
    assert ended.code == 1, ended.out
    assert "bars.csv:2: trade_date yesterday" in ended.err
    assert "Traceback" not in ended.err


def test_a_file_with_rows_on_closed_days_only_is_an_error_that_names_the_first(tmp_path):
    file = tmp_path / "bars.csv"
    file.write_text(f"{HEADER}\n000001.SZ,20200105,9,9,9,9,9,0,0,100,90\n")
    ended = run("quickstart", "--from", file, "--dir", tmp_path / "db")
    assert ended.code == 1, ended.out
    assert "none of its 1 rows can be used" in ended.err
    assert "bars.csv:2: session 2020-01-05" in ended.err


def test_a_folder_is_collected_series_by_series_and_what_is_no_bar_is_passed_over_aloud(tmp_path):
    folder = tmp_path / "bars"
    folder.mkdir()
    small_file(folder / "daily.csv")
    minutes = ["datetime,open,high,low,close,volume"]
    minutes += [f"2020-01-02 {clock},9,9,9,9,100" for clock in ("10:30:00", "11:30:00", "14:00:00", "15:00:00")]
    (folder / "600000.csv").write_text("\n".join(minutes) + "\n")
    (folder / "notes.csv").write_text("who,what\nme,this\n")
    ended = run("quickstart", "--from", folder, "--dir", tmp_path / "db")
    assert ended.code == 0, ended.err
    assert "notes.csv" in ended.err
    assert "1d/none of 1 codes" in ended.out
    assert "60m/none of 1 codes" in ended.out
    shown = run("bars", "600000.SH", "--frequency", "60m", "--db", tmp_path / "db", "--format", "csv").out
    assert "2020-01-02T15:00:00+08:00" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["quickstart", "--from", "nowhere.csv"], "nowhere.csv"),
        (["quickstart", "--config", "nowhere.yml"], "nowhere.yml"),
        (["quickstart", "--start", "yesterday"], "yesterday"),
        (["quickstart", "--codes", "AAPL"], "AAPL"),
        (["bars", "AAPL", "--db", "db"], "AAPL"),
        (["bars", "000001.SZ", "--db", "no-such-database"], "no-such-database"),
        (["bars", "000001.SZ", "--db", "ftp://host"], "ftp"),
    ],
)
def test_wrong_use_is_one_clear_message_and_exit_code_2(tmp_path, arguments, said):
    ended = run(*arguments, cwd=tmp_path)
    assert ended.code == 2, ended.out + ended.err
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "no-such-database").exists()


@needs_shared
def test_every_row_of_the_shared_file_is_stored(tmp_path):
    account = run("quickstart", "--from", TUSHARE_FILE, "--dir", tmp_path / "db", "--json").json
    with TUSHARE_FILE.open() as lines:
        source = {(r["ts_code"], r["trade_date"]): r for r in csv.DictReader(lines)}
    assert account["bars_written"] == len(source)
    assert account["coverage"]["held"] == len(source)
    rows = list(csv.DictReader(io.StringIO(dump(tmp_path / "db"))))
    assert len(rows) == len(source)
    for row in rows:
        vendor = source[row["code"], row["session"].replace("-", "")]
        for name in ("open", "high", "low", "close", "pre_close"):
            assert float(row[name]) == float(vendor[name])
        assert int(row["volume"]) == round(float(vendor["vol"]) * 100)
        assert abs(float(row["amount"]) - float(vendor["amount"]) * 1000) < 0.005


@needs_shared
@pytest.mark.parametrize(
    ("file", "written", "rejected", "absent"),
    [
        ("daily/baostock_qfq_2017_202008.csv", 5031, 0, 291),
        ("daily/sina_qfq_2020_2026.csv", 37_735, 32, 33),
        ("daily/tushare_pro_bar_qfq_2015_202009.csv", 36_797, 0, 0),
        ("minute/sina_15min_600000.csv", 1872, 0, 0),
        # Index and stock from 1990 on; the vendor's high or low is wrong on 16 days of the index, 1991 to 1995.
        ("tdx/vipdoc", 14_558, 16, 0),
    ],
)
def test_shared_files_of_every_vendor_are_stored_whole(tmp_path, file, written, rejected, absent):
    ended = run("quickstart", "--from", SHARED / file, "--dir", tmp_path / "db", "--json")
    assert ended.code == 0, ended.err
    account = ended.json
    assert (account["bars_written"], account["bars_rejected"]) == (written, rejected)
    assert account["coverage"]["absent"] == absent


@needs_shared
def test_a_run_killed_at_any_moment_and_repeated_ends_equal_to_an_undisturbed_one(tmp_path):
    begin = time.monotonic()
    assert run("quickstart", "--from", TUSHARE_FILE, "--dir", tmp_path / "calm", "--json").code == 0
    whole = time.monotonic() - begin
    calm = dump(tmp_path / "calm")
    moments = random.Random(7)
    for number in range(REPEATS):
        directory = tmp_path / f"killed{number}"
        process = start("quickstart", "--from", TUSHARE_FILE, "--dir", directory, "--json")
        time.sleep(whole * moments.uniform(0.3, 1.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        again = run("quickstart", "--from", TUSHARE_FILE, "--dir", directory, "--json")
        assert again.code == 0, again.err
        assert dump(directory) == calm


@needs_shared
def test_the_hosts_time_zone_changes_nothing_that_is_stored(tmp_path):
    found, archive = set(), tmp_path / "archive"
    archive.mkdir()
    for file in (TUSHARE_FILE, SHARED / "minute" / "sina_15min_600000.csv"):
        shutil.copy(file, archive)
    for zone in ("America/New_York", "Asia/Shanghai", "UTC")[:REPEATS]:
        directory = tmp_path / zone.replace("/", "-")
        ended = run("quickstart", "--from", archive, "--dir", directory, "--json", env={"TZ": zone})
        assert ended.code == 0, ended.err
        found.add(dump(directory) + dump(directory, "15m"))
    assert len(found) == 1
