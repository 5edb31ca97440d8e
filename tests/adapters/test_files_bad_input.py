"""Bad input ends in quarantine, or in a message that names file, line and value; the good rows are stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.fetch import BarAnswer, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.services.validation import Validated, validate
from support.archives import absent, columns, files_source, rejected, rejects_of, request, written

A, B = "000001.SZ", "600519.SH"
HEADER = "ts_code,trade_date,open,high,low,close,vol,amount"
GOOD = f"{A},20240108,9.39,9.42,9.16,9.19,5393.86,4986.951"
WEEK = np.arange("2024-01-08", "2024-01-13", dtype="datetime64[D]")


def row(code: str = A, day: str = "20240109", **cells: str) -> str:
    """Return a Tushare row, right but for `cells`."""
    values = {"open": "9.39", "high": "9.42", "low": "9.16", "close": "9.19", "vol": "5393.86", "amount": "4986.951"}
    return ",".join([code, day, *(values | cells).values()])


def answer_to(path: Path, *codes: str) -> BarAnswer:
    return files_source(path).fetch(request(codes or (A,), "2024-01-08", "2024-01-12"))


def proven(answer: BarAnswer) -> Validated:
    """Return what validation makes of an answer's rows."""
    assert isinstance(answer, Rows)
    return validate(answer.batch, sessions=WEEK, places=answer.places)


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"nowhere\.csv' does not exist; allowed: a CSV, Parquet or TDX file"):
        FilesConfig(path=tmp_path / "nowhere.csv")


def test_a_format_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"'tushar' is no file format; allowed: auto, ginkgo, .*tdx_day"):
        FilesConfig(path=tmp_path, format="tushar")


def test_a_missing_column_is_named_with_the_file_and_what_was_found(tmp_path: Path) -> None:
    path = written(tmp_path / "daily.csv", "ts_code,trade_date,open,high,low,vol", "000001.SZ,20240108,1,1,1,5")
    wanted = (
        "daily.csv fits no format of bars: as tushare_daily: column 'close' is missing; "
        "as generic: column 'close' is missing; columns found: ts_code, trade_date, open, high, low, vol"
    )
    source = files_source(path)
    with pytest.raises(SchemaMismatch) as caught:
        _ = source.capabilities
    assert str(caught.value) == wanted
    answer = source.fetch(request((A,), "2024-01-08"))
    assert isinstance(answer, Unknown)
    assert (answer.reason, answer.detail) == (UnknownReason.MALFORMED_REPLY, wanted)


def test_a_file_that_names_no_code_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "AAPL.csv", "date,open,high,low,close,volume", "2000-03-01,1,1,1,1,5")
    with pytest.raises(SchemaMismatch, match=r"AAPL\.csv has no column of codes, and .* its name names none; allowed"):
        _ = files_source(path).capabilities


def test_a_file_that_names_several_codes_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "600519_000001.csv", "date,open,high,low,close,volume")
    with pytest.raises(SchemaMismatch, match=r"names several \(000001\.SZ, 600519\.SH\)"):
        _ = files_source(path).capabilities


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "600000.csv").write_bytes(content)
    with pytest.raises(SchemaMismatch, match=r"600000\.csv is empty: it has no header line"):
        _ = files_source(tmp_path / "600000.csv").capabilities


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "600000.csv", "date,open,high,low,close,volume,Close")
    with pytest.raises(SchemaMismatch, match=r"600000\.csv: column 'close' is there more than once"):
        _ = files_source(path).capabilities


@pytest.mark.parametrize("name", ["bars.parquet", "600000.csv.gz"])
def test_bytes_that_are_not_what_the_name_promises_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x00\x01\x02 no such thing")
    with pytest.raises(SchemaMismatch, match=rf"{name} cannot be read: "):
        _ = files_source(tmp_path / name).capabilities


@pytest.mark.parametrize(
    ("bad", "rule", "field", "value"),
    [
        (row(day="20240230"), "unreadable_date", "trade_date", "20240230"),
        (row(day="yesterday"), "unreadable_date", "trade_date", "yesterday"),
        (row(day=""), "unreadable_date", "trade_date", ""),
        (row(code="AAPL"), "unreadable_code", "ts_code", "AAPL"),
        (row(code=""), "unreadable_code", "ts_code", ""),
        (row(open="abc"), "unreadable_number", "open", "abc"),
        (row(close="9,19".replace(",", ".") + "x"), "unreadable_number", "close", "9.19x"),
        (row(vol="--"), "unreadable_number", "vol", "--"),
        (row(amount="1_000"), "unreadable_number", "amount", "1_000"),
    ],
)
def test_a_cell_that_cannot_be_read_rejects_its_row_and_no_other(
    tmp_path: Path, bad: str, rule: str, field: str, value: str
) -> None:
    path = written(tmp_path / "daily.csv", HEADER, GOOD, bad, row(day="20240110"))
    answer = answer_to(path)
    assert [str(day) for (day,) in columns(answer, "session")] == ["2024-01-08", "2024-01-10"]
    assert rejected(answer) == [(rule, field, value, "daily.csv:3")]
    (kept,) = rejects_of(answer).table.to_pylist()
    assert json.loads(kept["row"]) == dict(zip(HEADER.split(","), bad.split(","), strict=True))


def test_a_reject_keeps_what_could_be_read_of_its_key(tmp_path: Path) -> None:
    path = written(tmp_path / "daily.csv", HEADER, row(open="abc"), row(day="x"), row(code="x"))
    rows = rejects_of(answer_to(path)).table.to_pylist()
    keys = [
        (r["code"], r["timestamp"] and f"{r['timestamp']:%Y-%m-%d %H:%M%z}", r["frequency"], r["adjust"]) for r in rows
    ]
    assert keys == [
        (A, "2024-01-09 00:00+0800", "1d", "none"),
        (A, None, "1d", "none"),
        (None, "2024-01-09 00:00+0800", "1d", "none"),
    ]


def test_a_ragged_line_is_rejected_with_its_number(tmp_path: Path) -> None:
    path = written(
        tmp_path / "daily.csv", HEADER, GOOD, "", row()[:20], row(day="20240110") + ",,", row(day="20240111")
    )
    answer = answer_to(path)
    assert isinstance(answer, Rows)
    assert answer.places is not None
    assert [answer.places.text(i) for i in range(2)] == ["daily.csv:2", "daily.csv:6"]
    assert rejected(answer) == [
        ("unreadable_row", "line", "3 columns instead of 8", "daily.csv:4"),
        ("unreadable_row", "line", "10 columns instead of 8", "daily.csv:5"),
    ]
    assert json.loads(rejects_of(answer).table["row"][0].as_py()) == {"text": row()[:20]}


def test_lines_without_any_content_are_no_rows(tmp_path: Path) -> None:
    answer = answer_to(written(tmp_path / "daily.csv", HEADER, "", GOOD, ",,,,,,,", "", ""))
    assert len(columns(answer, "session")) == 1
    assert rejected(answer) == []


def test_an_unknown_word_for_the_series_is_rejected(tmp_path: Path) -> None:
    header = "date,code,open,high,low,close,volume,adjustflag"
    path = written(tmp_path / "b.csv", header, "2024-01-08,sz.000001,1,1,1,1,5,3", "2024-01-09,sz.000001,1,1,1,1,5,9")
    assert rejected(answer_to(path)) == [("unreadable_series", "adjustflag", "9", "b.csv:3")]


def test_rejects_come_with_the_request_that_covers_them(tmp_path: Path) -> None:
    lines = [HEADER, GOOD, row(open="abc"), row(code=B, open="def"), row(code="?"), row(day="?"), row(code=B, day="?")]
    source = files_source(written(tmp_path / "daily.csv", *lines))
    monday = source.fetch(request((A,), "2024-01-08"))
    tuesday = source.fetch(request((A, B), "2024-01-09"))
    # Rows without a readable code belong to all, those without a date to all that name the code.
    assert [place for *_, place in rejected(monday)] == ["daily.csv:5", "daily.csv:6"]
    assert [place for *_, place in rejected(tuesday)] == [f"daily.csv:{line}" for line in (3, 4, 5, 6, 7)]


def test_the_hash_of_a_reject_is_the_same_wherever_its_line_is(tmp_path: Path) -> None:
    path = written(tmp_path / "daily.csv", HEADER, GOOD, row(open="abc"), row(open="abd"))
    before = rejects_of(answer_to(path)).table["content_hash"].to_pylist()
    written(path, HEADER, row(open="abc"), GOOD)
    after = rejects_of(answer_to(path)).table["content_hash"].to_pylist()
    assert after == before[:1]
    assert before[0] != before[1]
    # Stable across processes and versions: quarantine holds hashes of earlier runs.
    assert before[0] == 5840225616090195197


def test_a_wanted_cell_whose_row_cannot_be_read_is_an_absence_that_says_so(tmp_path: Path) -> None:
    answer = answer_to(written(tmp_path / "daily.csv", HEADER, GOOD, row(open="abc")))
    told = absent(answer)
    assert told[A, "2024-01-09"] == ("no_row", "daily.csv:3 could not be read")
    assert told[A, "2024-01-10"] == ("no_row", "daily.csv has no row")


def test_a_file_of_bad_rows_alone_still_gives_its_rejects(tmp_path: Path) -> None:
    source = files_source(written(tmp_path / "daily.csv", HEADER, row(day="x"), row(code="y")))
    assert source.capabilities.series == {DAILY}
    answer = source.fetch(request((A,), "2024-01-08"))
    assert [rule for rule, *_ in rejected(answer)] == ["unreadable_date", "unreadable_code"]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([GOOD, row(close="NaN")], [("missing_value", "close", "daily.csv:3")]),
        ([GOOD, row(vol="")], [("missing_value", "volume", "daily.csv:3")]),
        ([GOOD, row(low="inf")], [("not_finite", "low", "daily.csv:3")]),
        ([GOOD, row(low="-9.16")], [("negative_price", "low", "daily.csv:3")]),
        ([GOOD, row(high="9.00")], [("high_below_open_or_close", "high", "daily.csv:3")]),
        ([GOOD, row(amount="49.86951")], [("unit_mismatch", "amount", "daily.csv:3")]),
        ([GOOD, GOOD], [("duplicate_key", "timestamp", "daily.csv:3")]),
        ([GOOD, row(day="20240114")], [("not_a_session", "session", "daily.csv:3")]),
    ],
)
def test_a_row_that_is_wrong_reaches_validation_as_it_is_and_with_its_place(
    tmp_path: Path, lines: Sequence[str], found: list[tuple[str, str, str]]
) -> None:
    path = written(tmp_path / "daily.csv", HEADER, *lines)
    checked = proven(files_source(path).fetch(request((A,), "2024-01-08", "2024-01-14")))
    assert [(r["rule"], r["field"], r["place"]) for r in checked.rejects.table.to_pylist()] == found
    assert len(checked.accepted) == 1


def test_lots_given_as_shares_are_caught_row_by_row(tmp_path: Path) -> None:
    lines = ["2024-01-08,9.39,9.42,9.16,9.19,53938600,498695109", "2024-01-09,9.39,9.42,9.16,9.19,539386,498695109"]
    path = written(tmp_path / "000001.csv", "date,open,high,low,close,volume,amount", *lines)
    checked = proven(answer_to(path))
    (reject,) = checked.rejects.table.to_pylist()
    assert (reject["rule"], reject["place"]) == ("unit_mismatch", "000001.csv:3")


def test_a_bad_cell_of_a_parquet_file_is_rejected_too(tmp_path: Path) -> None:
    table = pa.table(
        {
            "code": ["000001.SZ", None, "000001.SZ"],
            "date": ["2024-01-08", "2024-01-09", "2024-13-01"],
            **{name: [1.0, 1.0, float("nan")] for name in ("open", "high", "low", "close")},
            "volume": [5, 5, 5],
        }
    )
    pq.write_table(table, tmp_path / "bars.parquet")
    answer = answer_to(tmp_path / "bars.parquet")
    assert columns(answer, "close") == [(1.0,)]
    assert rejected(answer) == [
        ("unreadable_code", "code", "", "bars.parquet:2"),
        ("unreadable_date", "date", "2024-13-01", "bars.parquet:3"),
    ]
