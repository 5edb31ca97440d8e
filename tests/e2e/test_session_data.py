"""`ginkgo-data factors` and `ginkgo-data ticks`: what a worker collected, printed for people and programs."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.files.tick_source import FilesTickSource
from support.bars import business_days
from support.program import Ended, run, start
from support.tushare_market import made_up_market
from support.tushare_server import TushareServer

MODULE = "ginkgo_data.entrypoints.cli"
A = "600000.SH"
SESSIONS = business_days("2020-06-01", 5)
TICKS = "date,time,price,volume,side\n2020-06-01,09:30:00.500,10.5,100,buy\n2020-06-01,15:00:00,10.51,200,sell\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database that a real worker filled, from Tushare's factors and a file of ticks."""
    here = tmp_path_factory.mktemp("session_data")
    (here / "archive").mkdir()
    (here / "archive" / f"{A}.csv").write_text(TICKS)
    with TushareServer(made_up_market([A], SESSIONS), token="planted-t") as server:
        (here / "worker.yml").write_text(
            f"clickhouse: {{url: 'chdb://{here}/db'}}\n"
            f"sources: {{bars: [tushare], ticks: [files], files: {{path: {here}/archive}}, "
            f"tushare: {{base_url: '{server.url}'}}}}\n"
        )
        environment = {"TUSHARE_TOKEN": "planted-t", "NO_PROXY": "127.0.0.1"}
        process = start(
            "worker", "start", "--embedded", "--config", here / "worker.yml", env=environment, stdin=subprocess.PIPE
        )
        words = [
            {"command": "stockinfo", "params": {}},
            {"command": "adjustfactor", "params": {"code": A, "full": True}},
            {"command": "tick", "params": {"code": A, "start_date": "20200601", "end_date": "20200601"}},
        ]
        out, err = process.communicate("".join(json.dumps(word) + "\n" for word in words), timeout=90)
        assert process.returncode == 0, err
        assert [json.loads(line)["outcome"] for line in out.splitlines()] == ["done"] * 3
    return here


def printed(folder: Path, *words: object) -> Ended:
    ended = run(*words, "--db", folder / "db")
    assert "Traceback" not in ended.err
    return ended


def test_factors_are_printed_with_what_raw_prices_are_multiplied_by(folder):
    table = printed(folder, "factors", A)
    assert table.code == 0
    assert "600000.SH adjustment factors" in table.out
    assert "qfq" in table.out
    rows = list(csv.DictReader(io.StringIO(printed(folder, "factors", A, "--format", "csv").out)))
    assert [row["session"] for row in rows[:5]] == [str(day) for day in SESSIONS]
    assert list(rows[0]) == ["code", "session", "factor", "fore", "back", "source"]
    assert {row["source"] for row in rows} == {"tushare"}
    some = printed(folder, "factors", "sh600000", "--start", "20200602", "--end", "20200603", "--format", "json").json
    assert [row["session"] for row in some] == ["2020-06-02", "2020-06-03"]
    assert all(row["fore"] * row["factor"] > 0 for row in some)


def test_ticks_are_printed_in_every_format_and_read_back_by_the_files_source(folder, tmp_path):
    assert "2 ticks" in printed(folder, "ticks", A, "--session", "2020-06-01").out
    text = printed(folder, "ticks", A, "--session", "20200601", "--format", "csv").out
    assert text.splitlines() == [
        "code,session,seq,timestamp,price,volume,side,source",
        "600000.SH,2020-06-01,0,2020-06-01T09:30:00.500+08:00,10.5,100,buy,files",
        "600000.SH,2020-06-01,1,2020-06-01T15:00:00.000+08:00,10.51,200,sell,files",
    ]
    rows = printed(folder, "ticks", A, "--session", "20200601", "--format", "json").json
    assert [row["price"] for row in rows] == [10.5, 10.51]
    words = ("ticks", A, "--session", "20200601", "--format", "parquet", "--db", str(folder / "db"))
    made = subprocess.run([sys.executable, "-m", MODULE, *words], capture_output=True, timeout=60, check=True)
    assert pq.read_table(io.BytesIO(made.stdout))["seq"].to_pylist() == [0, 1]
    (tmp_path / "again.csv").write_text(text)
    archive = FilesTickSource(FilesConfig(path=tmp_path))
    archive.reach([A])
    again = archive.ticks(A, SESSIONS[0].item(), 1)
    assert again.batch.table["timestamp"].to_pylist()[0].isoformat() == "2020-06-01T09:30:00.500000+08:00"
    assert again.batch.table["side"].to_pylist() == ["buy", "sell"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("factors", "600001.SH"), 1, "the command adjustfactor collects them"),
        (("ticks", A, "--session", "2020-06-02"), 1, "not held; the command tick collects them"),
        (("ticks", A, "--session", "yesterday"), 2, "--session is 'yesterday'"),
        (("factors", "hello"), 2, "allowed"),
    ],
)
def test_what_is_not_there_or_wrong_is_said(folder, words, code, said):
    ended = printed(folder, *words)
    assert (ended.code, said in ended.err) == (code, True), ended.err
