"""Ticks from files: lists as they stand, strict about what they say, loud about what cannot be read."""

from __future__ import annotations

import gzip
import json
import os
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ginkgo_data.adapters.files import tables
from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.files.reference_source import FilesReferenceSource
from ginkgo_data.adapters.files.tick_source import FilesTickSource
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.fetch import ProvenEmpty, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.ticks import TICK_SCHEMA

A = "600519.SH"
DAY = date(2024, 1, 8)
HEADER = "code,time,price,volume,side\n"
LIST = HEADER + (
    "600519.SH,2024-01-08 09:30:00,1700.5,100,buy\n"
    "600519.SH,2024-01-08 09:30:00,1700.5,100,buy\n"
    "600519.SH,2024-01-08 15:00:00,1701,0,neutral\n"
)


def source(path: Path, text: str | None = None, name: str = "ticks.csv", **config: object) -> FilesTickSource:
    if text is not None:
        (path / name).write_text(text)
    found = FilesTickSource(FilesConfig(path=path, **config))
    found.reach([A])
    return found


def rows(answer: object) -> list[dict]:
    assert isinstance(answer, Rows)
    assert answer.batch.table.schema.equals(TICK_SCHEMA)
    return answer.batch.table.to_pylist()


def columns(answer: object, *names: str) -> list[tuple]:
    return [tuple(row[name] for name in names) for row in rows(answer)]


def test_a_list_is_read_in_its_order_with_places_and_the_version(tmp_path):
    answer = source(tmp_path, LIST).ticks(A, DAY, 7)
    assert columns(answer, "seq", "price", "volume", "side") == [
        (0, 1700.5, 100.0, "buy"),
        (1, 1700.5, 100.0, "buy"),
        (2, 1701.0, 0.0, "neutral"),
    ]
    first = rows(answer)[0]
    assert first["timestamp"].isoformat() == "2024-01-08T09:30:00+08:00"
    assert (first["code"], first["session"], first["source"], first["version"]) == (A, DAY, "files", 7)
    assert answer.places.text(2) == "ticks.csv:4"


@pytest.mark.parametrize(
    ("header", "line", "moment"),
    [
        ("date,time", "2024-01-08,09:30:01", "2024-01-08T09:30:01+08:00"),
        ("date,time", "20240108,09:30:01.25", "2024-01-08T09:30:01.250000+08:00"),
        ("trade_date,time", "20240108,093001", "2024-01-08T09:30:01+08:00"),
        ("session,timestamp", "2024-01-08,2024-01-08T09:30:01.500+08:00", "2024-01-08T09:30:01.500000+08:00"),
        ("x,datetime", "1,2024-01-08T01:30:01Z", "2024-01-08T09:30:01+08:00"),
        ("x,成交时间", "1,2024/1/8 9:30", "2024-01-08T09:30:00+08:00"),
    ],
)
def test_days_and_times_of_several_kinds_are_read(tmp_path, header, line, moment):
    text = f"{header},code,price,volume,side\n{line},sh600519,1700,100,S\n"
    (row,) = rows(source(tmp_path, text).ticks(A, DAY, 1))
    assert (row["timestamp"].isoformat(), row["side"]) == (moment, "sell")


def test_the_code_may_stand_in_the_files_name_and_lots_are_shares_by_the_hundred(tmp_path):
    text = "成交时间,成交价格,成交量(手),性质\n2024-01-08 09:30:00,1700,3,买盘\n2024-01-08 09:30:03,1700,1,中性盘\n"
    answer = source(tmp_path, text, "600519.csv").ticks(A, DAY, 1)
    assert columns(answer, "volume", "side") == [(300.0, "buy"), (100.0, "neutral")]
    lots = source(tmp_path, text.replace("(手)", ""), "600519.csv", volume_unit="lots").ticks(A, DAY, 1)
    assert columns(lots, "volume") == [(300.0,), (100.0,)]


def test_a_list_that_runs_backwards_is_turned_round(tmp_path):
    head, *lines = LIST.strip().splitlines()
    answer = source(tmp_path, "\n".join([head, *lines[::-1]]) + "\n").ticks(A, DAY, 1)
    assert columns(answer, "seq", "price") == [(0, 1700.5), (1, 1700.5), (2, 1701.0)]


def test_parquet_and_packed_files_are_read_too(tmp_path):
    table = pa.table(
        {
            "code": [A],
            "timestamp": pa.array([1704677400123], pa.timestamp("ms", "UTC")),
            "price": [1700.5],
            "volume": [100],
            "side": ["buy"],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(LIST.replace("2024-01-08", "2024-01-09").encode()))
    archive = source(tmp_path)
    assert archive.reach([A, "000001.SZ"]) == {A: (DAY, date(2024, 1, 9))}
    assert rows(archive.ticks(A, DAY, 1))[0]["timestamp"].isoformat() == "2024-01-08T09:30:00.123000+08:00"
    assert len(rows(archive.ticks(A, date(2024, 1, 9), 1))) == 3


@pytest.mark.parametrize(
    ("line", "rule", "field"),
    [
        ("600519.SH,2024-01-08 09:31:00,17x,100,buy", "unreadable_number", "price"),
        ("600519.SH,2024-01-08 09:31:00,1700,many,buy", "unreadable_number", "volume"),
        ("600519.SH,2024-01-08 09:31:00,1700,100,1", "unreadable_side", "side"),
        ("600519.SH,yesterday,1700,100,buy", "unreadable_date", "time"),
        ("nobody,2024-01-08 09:31:00,1700,100,buy", "unreadable_code", "code"),
        ("600519.SH,2024-01-08 09:31:00,1700,100", "unreadable_row", "line"),
    ],
)
def test_a_row_that_cannot_be_read_is_a_reject_with_its_place(tmp_path, line, rule, field):
    answer = source(tmp_path, LIST + line + "\n").ticks(A, DAY, 9)
    assert len(rows(answer)) == 3
    (reject,) = answer.rejects.table.to_pylist()
    assert (reject["rule"], reject["field"], reject["place"]) == (rule, field, "ticks.csv:5")
    assert (reject["frequency"], reject["source"], reject["version"]) == ("tick", "files", 9)
    assert json.loads(reject["row"])


def test_blank_lines_are_no_rows_and_missing_values_are_for_validation(tmp_path):
    answer = source(tmp_path, LIST + ",,,,\n600519.SH,2024-01-08 15:00:01,,100,buy\n").ticks(A, DAY, 1)
    assert len(answer.rejects) == 0
    assert [row["price"] for row in rows(answer)] == [1700.5, 1700.5, 1701.0, None]


def test_a_session_that_the_archive_lacks_explains_nothing(tmp_path):
    archive = source(tmp_path, LIST)
    answer = archive.ticks(A, date(2024, 1, 9), 1)
    assert isinstance(answer, ProvenEmpty)
    assert answer.absences.table["reason"].to_pylist() == ["no_row"]
    assert archive.capabilities.archive


def test_codes_that_have_nothing_but_ticks_are_securities_too(tmp_path):
    later = "".join(f"{line}\n" for line in LIST.replace("2024-01-08", "2024-01-09").splitlines()[1:])
    archive = source(tmp_path, LIST + later)
    config = FilesConfig(path=tmp_path)
    without = FilesReferenceSource(config).securities(None, 7)
    assert isinstance(without, Unknown)
    found = FilesReferenceSource(config, ticks=archive).securities(None, 7)
    assert isinstance(found, Rows)
    assert found.batch.table.select(["code", "list_date", "status"]).to_pylist() == [
        {"code": A, "list_date": DAY, "status": "O"}
    ]
    bars = tmp_path / "600000.SH.csv"
    bars.write_text("trade_date,open,high,low,close,vol,amount\n20240105,7,7,7,7,1,0.7\n")
    both = FilesReferenceSource(config, ticks=FilesTickSource(config)).securities(None, 7)
    assert both.batch.table["code"].to_pylist() == ["600000.SH", A]


def test_a_session_in_two_files_is_refused_by_their_names(tmp_path):
    (tmp_path / "again.csv").write_text(LIST)
    answer = source(tmp_path, LIST).ticks(A, DAY, 1)
    assert isinstance(answer, Unknown)
    assert answer.reason is UnknownReason.REFUSED
    assert "again.csv, ticks.csv" in answer.detail


def test_a_list_over_several_pieces_of_a_file_is_one_list(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_PIECE_BYTES", 120)
    lines = "".join(f"600519.SH,2024-01-08 09:30:{i:02d},1700,{i},buy\n" for i in range(40))
    answer = source(tmp_path, HEADER + lines).ticks(A, DAY, 1)
    assert columns(answer, "seq", "volume") == [(i, float(i)) for i in range(40)]


def test_other_files_are_passed_over_and_an_archive_without_ticks_says_what_is_missing(tmp_path):
    (tmp_path / "bars.csv").write_text("code,date,open,high,low,close,volume\n")
    with pytest.raises(SchemaMismatch, match=r"holds no ticks: bars\.csv holds no ticks: column time"):
        source(tmp_path)
    archive = source(tmp_path, LIST)
    assert [note.split(" ")[0] for note in archive.notes] == ["bars.csv"]


def test_close_only_minutes_are_no_ticks(tmp_path):
    with pytest.raises(SchemaMismatch, match="column side is missing"):
        source(tmp_path, "datetime,price,vol\n2024-01-08 09:30:00,10,100\n", "600519.csv")


def test_a_changed_file_is_looked_at_anew_and_a_vanished_one_is_an_outage(tmp_path):
    archive = source(tmp_path, LIST)
    file = tmp_path / "ticks.csv"
    file.write_text(LIST + "600519.SH,2024-01-08 15:00:02,1702,100,sell\n")
    os.utime(file, ns=(1, 1))
    stale = archive.ticks(A, DAY, 1)
    assert isinstance(stale, Unknown)
    assert stale.reason is UnknownReason.UNREACHABLE
    archive.reach([A])
    assert len(rows(archive.ticks(A, DAY, 1))) == 4
    file.unlink()
    archive.reach([A])
    gone = archive.ticks(A, DAY, 1)
    assert isinstance(gone, Unknown)
    assert gone.reason is UnknownReason.UNREACHABLE
