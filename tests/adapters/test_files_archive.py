"""An archive as a whole: what is found in it, what is passed over, and what happens when it changes."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ginkgo_data.adapters.files import archive, tables
from ginkgo_data.adapters.files.bar_source import FilesBarSource
from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.files.reference_source import FilesReferenceSource
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.errors import SchemaMismatch, SourceUnavailable
from ginkgo_data.domain.model.fetch import ProvenEmpty, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.series import DAILY, Adjust, Series
from support.archives import absent, columns, everything, files_source, rejected, request, written
from support.bars import code_name

HEADER = "date,open,high,low,close,volume"
A, B = "600000.SH", "600519.SH"


def daily(path: Path, *days: str, close: float = 1.5, header: str = HEADER) -> Path:
    return written(path, header, *(f"{day},{close},{close},{close},{close},100" for day in days))


def reason(answer: object) -> tuple[UnknownReason, str]:
    assert isinstance(answer, Unknown)
    return answer.reason, answer.detail


def test_capabilities_say_what_the_archive_holds(tmp_path: Path) -> None:
    daily(tmp_path / "root" / "600000.csv", "2023-12-29", "2024-01-08")
    daily(tmp_path / "root" / "hfq" / "600519.csv", "2024-01-09")
    has = files_source(tmp_path / "root").capabilities
    assert has.name == "files"
    assert has.series == {DAILY, Series(adjust=Adjust.HFQ)}
    assert has.extent == (date(2023, 12, 29), date(2024, 1, 9))
    assert not has.by_session


def test_what_holds_no_bars_is_passed_over_with_a_note(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "root"
    daily(root / "600000.csv", "2024-01-08")
    written(root / "lists" / "calendar.csv", "exchange,cal_date,is_open", "SSE,20240108,1")
    written(root / "AAPL.csv", HEADER, "2024-01-08,1,1,1,1,5")
    written(root / "notes.md", "not a table")
    written(root / ".hidden" / "600001.csv", HEADER, "2024-01-08,1,1,1,1,5")
    (root / "broken.parquet").write_bytes(b"no")
    source = files_source(root)
    assert source.capabilities.series == {DAILY}
    assert [note.split(" ")[0] for note in source.notes] == ["AAPL.csv", "broken.parquet", "lists/calendar.csv"]
    assert [record.getMessage() for record in caplog.records] == [f"passed over: {note}" for note in source.notes]
    caplog.clear()
    assert source.capabilities.series == {DAILY}
    assert not caplog.records


def test_a_folder_without_bars_is_an_error_that_says_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="holds no file of bars; it is empty"):
        _ = files_source(tmp_path).capabilities
    written(tmp_path / "calendar.csv", "cal_date", "20240108")
    with pytest.raises(SchemaMismatch, match=r"holds no file of bars; calendar\.csv fits no format of bars"):
        _ = files_source(tmp_path).capabilities


def test_rows_of_a_code_may_be_in_several_files(tmp_path: Path) -> None:
    daily(tmp_path / "2023" / "600000.csv", "2023-12-29")
    daily(tmp_path / "2024" / "600000.csv", "2024-01-08")
    answer = everything(files_source(tmp_path), DAILY, A)
    assert isinstance(answer, Rows)
    assert answer.places is not None
    assert [answer.places.text(i) for i in range(2)] == ["2023/600000.csv:2", "2024/600000.csv:2"]
    assert absent(answer)[A, "2024-01-05"] == ("no_row", "none of 2 files (2023/600000.csv …) has a row")


def test_a_bar_in_one_file_beats_padding_in_another(tmp_path: Path) -> None:
    header = "code,date,open,high,low,close,vol"
    written(tmp_path / "a.csv", header, "600000,2024-01-08,2,2,2,2,0", "600000,2024-01-09,2,2,2,2,0")
    written(tmp_path / "b.csv", header, "600000,2024-01-08,2,3,2,2,100")
    answer = everything(files_source(tmp_path), DAILY, A)
    assert columns(answer, "session", "high") == [(date(2024, 1, 8), 3.0)]
    assert {cell[1]: why for cell, (why, _) in absent(answer).items()} == {"2024-01-09": "suspended"}


def test_new_and_changed_files_are_seen_when_capabilities_are_asked(tmp_path: Path) -> None:
    daily(tmp_path / "600000.csv", "2024-01-08")
    source = files_source(tmp_path)
    assert source.capabilities.extent == (date(2024, 1, 8), date(2024, 1, 8))
    daily(tmp_path / "600000.csv", "2024-01-08", "2024-01-09")
    daily(tmp_path / "600519.csv", "2024-01-10")
    assert source.capabilities.extent == (date(2024, 1, 8), date(2024, 1, 10))
    assert len(columns(everything(source, DAILY, A, B), "session")) == 3


def test_a_file_that_changed_since_is_read_as_it_is_now(tmp_path: Path) -> None:
    path = daily(tmp_path / "600000.csv", "2024-01-08", close=1.5)
    source = files_source(path)
    assert columns(everything(source, DAILY, A), "close") == [(1.5,)]
    daily(path, "2024-01-08", "2024-01-09", close=2.25)
    assert columns(source.fetch(request([A], "2024-01-08", "2024-01-09")), "close") == [(2.25,), (2.25,)]


def test_a_file_that_is_gone_proves_nothing(tmp_path: Path) -> None:
    daily(tmp_path / "600000.csv", "2024-01-08")
    daily(tmp_path / "600519.csv", "2024-01-08")
    source = files_source(tmp_path)
    assert source.capabilities.extent
    (tmp_path / "600000.csv").unlink()
    gone = (UnknownReason.UNREACHABLE, "600000.csv has disappeared")
    assert reason(source.fetch(request([A], "2024-01-08"))) == gone
    assert source.capabilities.extent
    assert reason(source.fetch(request([A], "2024-01-08"))) == gone
    assert len(columns(source.fetch(request([B], "2024-01-08")), "close")) == 1


def test_a_folder_that_is_gone_proves_nothing(tmp_path: Path) -> None:
    daily(tmp_path / "root" / "600000.csv", "2024-01-08")
    late, early = files_source(tmp_path / "root"), files_source(tmp_path / "root")
    assert early.capabilities.extent
    (tmp_path / "root" / "600000.csv").unlink()
    (tmp_path / "root").rmdir()
    assert early.capabilities.extent == (date(2024, 1, 8), date(2024, 1, 8))
    assert reason(early.fetch(request([A], "2024-01-08")))[0] is UnknownReason.UNREACHABLE
    assert reason(late.fetch(request([A], "2024-01-08")))[0] is UnknownReason.UNREACHABLE
    with pytest.raises(SourceUnavailable, match="root has disappeared"):
        _ = late.capabilities


def test_a_file_that_is_no_longer_bars_proves_nothing(tmp_path: Path) -> None:
    path = daily(tmp_path / "600000.csv", "2024-01-08")
    source = files_source(path)
    assert source.capabilities.extent
    written(path, "date,open,high,low,volume", "2024-01-08,1,1,1,5")
    found = reason(source.fetch(request([A], "2024-01-08")))
    assert found[0] is UnknownReason.MALFORMED_REPLY
    assert "column 'close' is missing" in found[1]


def test_a_file_that_changes_under_the_reader_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = daily(tmp_path / "600000.csv", "2024-01-08")
    source = files_source(path)
    assert source.capabilities.extent
    read = archive.read_rows

    def slowly(*args: object, **kwargs: object) -> object:
        daily(path, "2024-01-08", "2024-01-09")
        return read(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(archive, "read_rows", slowly)
    answer = source.fetch(request([A], "2024-01-08", "2024-01-09"))
    assert reason(answer) == (UnknownReason.UNREACHABLE, "600000.csv changed while it was read")


def test_of_a_large_file_only_pieces_with_something_wanted_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_CACHED_FILE_BYTES", 0)
    monkeypatch.setattr(tables, "_PIECE_BYTES", 300)
    days = [str(day) for day in np.arange("2024-01-08", "2024-01-13", dtype="datetime64[D]")]
    codes = [code_name(number) for number in range(0, 80, 2)]
    lines = [f"{code},{day},{i},{i},{i},{i},100" for i, code in enumerate(codes) for day in days]
    lines.insert(150, "?,2024-01-09,1,1,1,1,5")
    source = files_source(written(tmp_path / "all.csv", f"code,{HEADER}", *lines))
    assert source.capabilities.extent
    read: list[int] = []
    original = tables._csv_block

    def counting(content: bytes, piece: tables.Piece, dialect: tables.Dialect) -> tables.Block:
        read.append(piece.line)
        return original(content, piece, dialect)

    monkeypatch.setattr(tables, "_csv_block", counting)
    answer = source.fetch(request([codes[7]], "2024-01-09", "2024-01-10"))
    assert columns(answer, "code", "session", "close") == [(codes[7], date(2024, 1, d), 7.0) for d in (9, 10)]
    assert [place for *_, place in rejected(answer)] == ["all.csv:152"]
    assert len(read) <= 3
    assert isinstance(answer, Rows)
    assert answer.places is not None
    assert answer.places.text(0) == f"all.csv:{2 + 7 * 5 + 1}"
    absent_code = source.fetch(request(["600999.SH"], "2024-01-09"))
    assert isinstance(absent_code, ProvenEmpty)
    assert [place for *_, place in rejected(absent_code)] == ["all.csv:152"]


def test_of_a_large_file_ordered_by_day_only_the_pieces_of_the_days_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_CACHED_FILE_BYTES", 0)
    monkeypatch.setattr(tables, "_PIECE_BYTES", 300)
    # Weekdays only: a row on a weekend is stray and goes with every request of its code.
    days = [str(day) for day in np.arange("2024-01-01", "2024-02-12", dtype="datetime64[D]") if np.is_busday(day)]
    codes = [code_name(number) for number in range(0, 12, 2)]
    lines = [f"{code},{day},1,1,1,1,100" for day in days for code in codes]
    source = files_source(written(tmp_path / "all.csv", f"code,{HEADER}", *lines))
    assert source.capabilities.extent
    seen: list[int] = []
    read = tables.read_blocks

    def watching(path: Path, dialect: tables.Dialect, pieces: list[tables.Piece]) -> object:
        seen.append(len(pieces))
        return read(path, dialect, pieces)

    monkeypatch.setattr("ginkgo_data.adapters.files.scanning.read_blocks", watching)
    answer = source.fetch(request(codes[:2], "2024-01-15", "2024-01-16"))
    assert len(columns(answer, "code")) == 4
    assert seen[0] <= 3


def test_of_a_large_parquet_file_only_row_groups_with_something_wanted_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_CACHED_FILE_BYTES", 0)
    count = 50
    values = {name: np.arange(count, dtype=float) for name in ("open", "high", "low", "close", "volume")}
    table = pa.table({"code": [code_name(2 * i) for i in range(count)], "date": ["2024-01-08"] * count, **values})
    pq.write_table(table, tmp_path / "all.parquet", row_group_size=10)
    source = files_source(tmp_path / "all.parquet")
    answer = everything(source, DAILY, code_name(2 * 27))
    assert columns(answer, "close") == [(27.0,)]
    assert isinstance(answer, Rows)
    assert answer.places is not None
    assert answer.places.text(0) == "all.parquet:28"


def test_the_sheets_kept_in_memory_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_CACHE_BYTES", 1000)
    codes = [code_name(number) for number in range(0, 40, 2)]
    for code in codes:
        daily(tmp_path / f"{code[:6]}.csv", "2024-01-08")
    kept = archive.FileArchive(FilesConfig(path=tmp_path))
    source = FilesBarSource(kept.config, kept)
    for _ in range(2):
        assert len(columns(everything(source, DAILY, *codes), "code")) == 20
    assert kept.cached_bytes <= 1000


def test_without_codes_the_whole_archive_is_meant(tmp_path: Path) -> None:
    daily(tmp_path / "600000.csv", "2024-01-08")
    daily(tmp_path / "600519.csv", "2024-01-08")
    answer = files_source(tmp_path).fetch(request(None, "2024-01-08", wanted=Cells.none()))
    assert [code for (code,) in columns(answer, "code")] == [A, B]


def test_codes_of_an_archive_are_securities_observed_since_their_first_session(tmp_path: Path) -> None:
    daily(tmp_path / "600000.csv", "2024-01-09", "2024-01-08")
    daily(tmp_path / "hfq" / "600000.csv", "2023-12-29")
    daily(tmp_path / "000001.csv", "2024-01-10")
    daily(tmp_path / "hfq" / "000001.csv", "2024-01-11")
    source = FilesReferenceSource(FilesConfig(path=tmp_path))
    answer = source.securities(None, 7)
    assert isinstance(answer, Rows)
    rows = answer.batch.table.select(["code", "name", "list_date", "delist_date", "status", "source", "version"])
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        ("000001.SZ", "", date(2024, 1, 10), None, "O", "files", 7),
        ("600000.SH", "", date(2023, 12, 29), None, "O", "files", 7),
    ]
    shanghai = source.securities("SH", 7)
    assert isinstance(shanghai, Rows)
    assert shanghai.batch.codes() == ["600000.SH"]
    daily(tmp_path / "600519.csv", "2024-01-11")
    refreshed = source.securities(None, 8)
    assert isinstance(refreshed, Rows)
    assert refreshed.batch.codes() == ["000001.SZ", "600000.SH", "600519.SH"]


def test_no_securities_are_unknown_and_a_calendar_is_not_known(tmp_path: Path) -> None:
    path = written(tmp_path / "600000.csv", HEADER)
    source = FilesReferenceSource(FilesConfig(path=path))
    assert reason(source.securities(None, 7))[0] is UnknownReason.EMPTY_WITHOUT_EVIDENCE
    assert "known markets: SH, SZ, BJ" in reason(source.securities("主板", 7))[1]
    assert isinstance(source.session_days(date(2024, 1, 8), date(2024, 1, 9), 7), ProvenEmpty)
    path.unlink()
    assert reason(FilesReferenceSource(FilesConfig(path=tmp_path)).securities(None, 7))[0] is (
        UnknownReason.MALFORMED_REPLY
    )


PRINT_ALL = """
import sys
from pathlib import Path
from support.archives import columns, everything, files_source
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
for name, series in (("day", Series()), ("minute", Series(Frequency.MIN1)), ("zoned", Series())):
    answer = everything(files_source(Path(sys.argv[1]) / name / "600000.csv"), series, "600000.SH")
    millis = answer.batch.table["timestamp"].cast("int64").to_pylist()
    print(name, columns(answer, "session", "timestamp"), millis)
"""


def test_the_zone_of_the_host_does_not_matter(tmp_path: Path) -> None:
    daily(tmp_path / "day" / "600000.csv", "1991-05-06", "2024-03-10")
    daily(tmp_path / "minute" / "600000.csv", "2024-03-10 09:31", "2024-03-10 09:32", "2024-03-10 09:33")
    daily(tmp_path / "zoned" / "600000.csv", "2024-03-10T16:00:00Z", "2024-03-12T00:00:00+08:00")
    printed = set()
    for zone in ("America/New_York", "Asia/Shanghai", "Pacific/Kiritimati"):
        run = subprocess.run(
            [sys.executable, "-c", PRINT_ALL, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "TZ": zone, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        printed.add(run.stdout)
    (text,) = printed
    # 00:00 in Shanghai is 16:00 of the day before in UTC; in the summer of 1991 it was 15:00.
    assert "[673455600000, 1710000000000]" in text.splitlines()[0]
    assert "'2024-03-10 09:31'" in text.splitlines()[1]
    assert "'2024-03-11 00:00'" in text.splitlines()[2]
