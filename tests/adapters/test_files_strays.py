"""Rows on days that can be no session: they change nothing of what an archive covers, and reach quarantine."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ginkgo_data.adapters.files import archive, strays, tables
from ginkgo_data.adapters.files.archive import FileArchive
from ginkgo_data.adapters.files.bar_source import FilesBarSource
from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.files.reference_source import FilesReferenceSource
from ginkgo_data.adapters.files.texts import read_moments
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.fetch import FetchRequest, Rows
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.validation import validate
from support.archives import VERSION, columns, files_source, rejected, request, written

A, B = "000001.SZ", "600519.SH"
HEADER = "code,date,open,high,low,close,volume"
WEEK = np.arange("2024-01-08", "2024-01-13", dtype="datetime64[D]")
OTHER_DAYS = ("1970-01-02", "1990-12-18", "2024-01-14", "2099-01-01", "9999-12-30", "1901-01-01")


def row(day: str, code: str = A) -> str:
    return f"{code},{day},9.39,9.42,9.16,9.19,100"


def days(answer: object) -> list[str]:
    assert isinstance(answer, Rows)
    return [str(day) for day in answer.batch.table["session"].to_pylist()]


@pytest.fixture(params=["cached", "in pieces"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in pieces":
        monkeypatch.setattr(archive, "_CACHED_FILE_BYTES", 0)
        monkeypatch.setattr(tables, "_PIECE_BYTES", 60)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("day", OTHER_DAYS)
def test_a_stray_row_stretches_nothing_and_comes_with_every_request_for_its_code(tmp_path: Path, day: str) -> None:
    lines = [row("2024-01-08"), row("2024-01-09"), row("2024-01-08", B), row("2024-01-09", B), row(day)]
    path = written(tmp_path / "bars.csv", HEADER, *lines)
    source = files_source(path)
    assert source.capabilities.extent == (date(2024, 1, 8), date(2024, 1, 9))
    known = FileArchive(FilesConfig(path=path))
    assert known.spans(DAILY)[A] == (date(2024, 1, 8), date(2024, 1, 9))
    listed = FilesReferenceSource(FilesConfig(path=path)).securities(None, 7)
    assert isinstance(listed, Rows)
    assert listed.batch.table["list_date"].to_pylist() == [date(2024, 1, 8)] * 2
    for first in ("2024-01-08", "2024-01-09", "2023-05-08"):
        assert day in days(source.fetch(request((A,), first)))
        assert day in days(source.fetch(request(None, first, wanted=Cells.none())))
    assert days(source.fetch(request((B,), "2024-01-08"))) == ["2024-01-08"]


@pytest.mark.parametrize("day", OTHER_DAYS)
def test_a_stray_row_is_rejected_by_validation_with_its_place(tmp_path: Path, day: str) -> None:
    source = files_source(written(tmp_path / "bars.csv", HEADER, row("2024-01-08"), row(day)))
    hashes = set()
    for first in ("2024-01-08", "2024-01-09"):
        asked = request((A,), first, "2024-01-09")
        answer = source.fetch(asked)
        assert isinstance(answer, Rows)
        checked = validate(answer.batch, sessions=WEEK, asked=asked, places=answer.places, newest=date(2024, 1, 12))
        (reject,) = checked.rejects.table.to_pylist()
        assert reject["rule"] in ("outside_call", "not_a_session", "future_bar")
        assert reject["place"] == "bars.csv:3"
        hashes.add(reject["content_hash"])
    assert len(hashes) == 1


@pytest.mark.usefixtures("size")
def test_stray_rows_of_a_code_that_nobody_can_name_come_with_every_request(tmp_path: Path) -> None:
    lines = [row("2024-01-08"), row("2024-01-09"), row("2024-01-10"), row("2024-01-14", B)]
    source = files_source(written(tmp_path / "bars.csv", HEADER, *lines))
    answer = source.fetch(request((A,), "2024-01-08"))
    assert [(code, str(day)) for code, day in columns(answer, "code", "session")] == [
        (A, "2024-01-08"),
        (B, "2024-01-14"),
    ]


def test_a_file_of_stray_rows_alone_has_no_span_and_still_gives_them(tmp_path: Path) -> None:
    path = written(tmp_path / "alone.csv", HEADER, row("1970-01-02"), row("2024-01-14"))
    source = files_source(path)
    assert (source.capabilities.series, source.capabilities.extent) == ({DAILY}, None)
    assert FileArchive(FilesConfig(path=path)).spans(DAILY) == {}
    everything = FetchRequest(DAILY, None, date(1990, 1, 1), date(2199, 12, 31), Cells.none(), VERSION)
    answer = source.fetch(everything)
    assert days(answer) == ["1970-01-02", "2024-01-14"]
    assert isinstance(answer, Rows)
    assert answer.places is not None
    assert answer.places.text(0) == "alone.csv:2"
    written(tmp_path / "good.csv", HEADER, row("2024-01-08", B))
    assert "1970-01-02" in days(files_source(tmp_path).fetch(request((B,), "2024-01-08")))


def test_a_day_that_has_come_is_a_session_of_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strays, "today", lambda: date(2024, 1, 8))
    monkeypatch.setattr("ginkgo_data.adapters.files.scanning.today", lambda: strays.today())
    path = written(tmp_path / "bars.csv", HEADER, row("2024-01-08"), row("2024-01-09"))
    known = FileArchive(FilesConfig(path=path))
    source = FilesBarSource(known.config, known)
    assert source.capabilities.extent == (date(2024, 1, 8), date(2024, 1, 8))
    assert days(source.fetch(request((A,), "2024-01-08"))) == ["2024-01-08", "2024-01-09"]
    monkeypatch.setattr(strays, "today", lambda: date(2024, 1, 9))
    assert source.capabilities.extent == (date(2024, 1, 8), date(2024, 1, 9))
    assert days(source.fetch(request((A,), "2024-01-08"))) == ["2024-01-08"]


@pytest.mark.parametrize(
    "kind",
    [pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.timestamp("ns"), pa.date32(), pa.date64()],
    ids=str,
)
def test_a_time_beyond_all_calendars_is_a_reject_and_not_another_time(tmp_path: Path, kind: pa.DataType) -> None:
    good = pa.array([date(2024, 1, 8)]).cast(pa.timestamp("ms")).cast(kind)
    wide = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    worst = 2**31 - 1 if pa.types.is_date32(kind) else -(86_400_000 * 10**9) if pa.types.is_date64(kind) else -(2**62)
    table = pa.table(
        {
            "code": [A, A],
            "date": pa.concat_arrays([good, pa.array([worst], wide).cast(kind)]),
            **{name: [1.0, 1.0] for name in ("open", "high", "low", "close", "volume")},
        }
    )
    pq.write_table(table, tmp_path / "bars.parquet")
    answer = files_source(tmp_path).fetch(request((A,), "2024-01-08"))
    assert days(answer) == ["2024-01-08"]
    assert [(rule, place) for rule, _, _, place in rejected(answer)] == [("unreadable_date", "bars.parquet:2")]


def test_seconds_that_overflow_milliseconds_are_no_time() -> None:
    moments, bad = read_moments(pa.array([2**62, 1_704_672_000, -(2**40)], pa.int64()).cast(pa.timestamp("s")))
    assert bad.tolist() == [True, False, True]
    assert str(moments[1]) == "2024-01-08T00:00:00.000"
