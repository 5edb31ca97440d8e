"""Every line of a table is delivered, rejected or blank, whatever quotes and bytes stand in it."""

from __future__ import annotations

import codecs
import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ginkgo_data.adapters.files import tables
from ginkgo_data.adapters.files.csv_lines import parse_lines
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.fetch import Rows
from support.archives import columns, files_source, rejected, rejects_of, request, written

A = "000001.SZ"
HEADER = "ts_code,trade_date,open,high,low,close,vol,amount,note"
WEEK = ("20240108", "20240109", "20240110", "20240111", "20240112")


def row(day: str, code: str = A, note: str = "x") -> str:
    return f"{code},{day},9.39,9.42,9.16,9.19,5393.86,4986.951,{note}"


def outcome(path: Path) -> tuple[list[str], list[str]]:
    """Return the days delivered and the places rejected."""
    answer = files_source(path).fetch(request((A,), "2024-01-08", "2024-01-12"))
    return [f"{day:%Y%m%d}" for (day,) in columns(answer, "session")], [place for *_, place in rejected(answer)]


@pytest.mark.parametrize(
    "broken",
    [
        '"' + row(WEEK[2]),
        row(WEEK[2]).replace(",9.42", ',"9.42'),
        row(WEEK[2]).replace(",9.42", ',9"42'),
        row(WEEK[2]).replace(",9.42", ',"9.4"2'),
        row(WEEK[2]).replace(",9.42", ',"9.42" '),
        row(WEEK[2]) + '"y",',
        row(WEEK[2])[:-1] + '"',
        row(WEEK[2]).replace(",9.42", "\r9.42"),
        row(WEEK[2]).replace("9.42", "9.42\0"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_stray_quote_costs_its_own_line_and_no_other(tmp_path: Path, broken: str, end: str, place: int) -> None:
    lines = [row(day) for day in WEEK]
    lines[place] = broken
    good = [day for number, day in enumerate(WEEK) if number != place]
    assert outcome(written(tmp_path / "daily.csv", HEADER, *lines, end=end)) == (good, [f"daily.csv:{place + 2}"])


def test_cells_in_quotes_are_read_even_beside_a_stray_one(tmp_path: Path) -> None:
    quoted = ",".join(f'"{cell}"' for cell in row(WEEK[0]).split(","))
    comma, doubled = row(WEEK[1], note='"a, b"'), row(WEEK[2], note='"say ""so"""')
    path = written(tmp_path / "daily.csv", HEADER, quoted, comma, doubled)
    assert outcome(path) == (list(WEEK[:3]), [])
    written(path, HEADER, quoted, comma, doubled, '"' + row(WEEK[3]))
    assert outcome(path) == (list(WEEK[:3]), ["daily.csv:5"])


def test_a_broken_line_is_kept_as_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path / "daily.csv", HEADER, row(WEEK[0]), '"' + row(WEEK[1]))
    (kept,) = rejects_of(files_source(path).fetch(request((A,), "2024-01-08"))).table.to_pylist()
    assert kept["rule"] == "unreadable_row"
    assert kept["value"].startswith("no row: ")
    assert '\\"000001.SZ,20240109' in kept["row"]


CELL = st.text(st.sampled_from('"",; \r\0ab19.é中'), max_size=6)
LINE = st.one_of(
    st.just(row(WEEK[0])), st.just(""), st.just(",,,,,,,,"), CELL, st.lists(CELL, min_size=8, max_size=10).map(",".join)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LINE, max_size=12), st.sampled_from([60, 1 << 20]), st.sampled_from(["utf-8", "gb18030", "utf-16"]))
@example([row(WEEK[0]), '"' + row(WEEK[1]), row(WEEK[2])], 60, "utf-8")
def test_rows_and_rejects_and_blank_lines_are_all_lines(lines: list[str], piece: int, encoding: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_PIECE_BYTES", piece)
        path = Path(folder, "daily.csv")
        path.write_bytes("".join(f"{line}\n" for line in (HEADER, row(WEEK[0]), *lines)).encode(encoding))
        answer = files_source(path).fetch(request((A,), "2024-01-08", "2024-01-12"))
        assert isinstance(answer, Rows)
        assert answer.places is not None
        delivered = answer.places.table["line"].to_pylist()
        refused = [int(place.split(":")[1]) for *_, place in rejected(answer)]
        assert sum(line == row(WEEK[0]) for line in lines) + 1 <= len(delivered)
        told = sorted(delivered + refused)
        assert len(told) == len(set(told))
        silent = [line for number, line in enumerate(lines, 3) if number not in told]
        assert all(not line.replace(",", "").replace('"', "").strip() for line in silent)
        assert all(number in range(2, len(lines) + 3) for number in told)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('",\n\r \0a1中'), min_size=1), st.sampled_from([2, 3]))
def test_parsed_and_broken_lines_are_as_many_as_the_lines(text: str, width: int) -> None:
    content = text.encode()
    parsed = parse_lines(content, [f"c{i}" for i in range(width)], ",")
    assert len(parsed.cells) + len(parsed.broken) == text.count("\n") + (not text.endswith("\n"))


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("spooled", [1, 1 << 20])
def test_utf_16_with_a_byte_order_mark_is_read(
    tmp_path: Path, order: str, packed: bool, spooled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ginkgo_data.adapters.files.encodings._SPOOLED_BYTES", spooled)
    mark = {"le": codecs.BOM_UTF16_LE, "be": codecs.BOM_UTF16_BE}[order]
    lines = [HEADER, *(row(day, note="备注") for day in WEEK), "中,", ""]
    content = mark + "\r\n".join(lines).encode(f"utf-16-{order}")
    path = tmp_path / ("daily.csv.gz" if packed else "daily.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    assert outcome(path) == (list(WEEK), [f"{path.name}:7"])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_bytes_that_are_no_text_are_refused_with_the_encodings_allowed(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path / "daily.csv", HEADER, row(WEEK[0]), encoding=encoding)
    with pytest.raises(SchemaMismatch, match=r"daily\.csv has NUL bytes .* allowed: UTF-8, GBK .*UTF-16 with a byte"):
        _ = files_source(path).capabilities


def test_a_header_that_is_no_line_of_a_csv_is_refused_by_name(tmp_path: Path) -> None:
    path = written(tmp_path / "daily.csv", HEADER, row(WEEK[0]), end="\r")
    with pytest.raises(SchemaMismatch, match=r"daily\.csv cannot be read: new-line character"):
        _ = files_source(path).capabilities
