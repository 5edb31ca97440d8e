# Upstream: adapters.files.tables
# Downstream: pyarrow
# Role: Lines of a CSV as cells: every line is one row or one broken line, whatever its quotes
"""A stray quote costs its own line and no other: a cell never reaches beyond the end of its line."""

from __future__ import annotations

import csv
import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv as pacsv


class Broken(NamedTuple):
    """A line that is no row; `number` counts from 0."""

    number: int
    text: str
    problem: str


class Parsed(NamedTuple):
    """The rows among some lines, in order, and the other lines."""

    cells: pa.RecordBatch
    broken: list[Broken]


def parse_lines(content: bytes, names: list[str], delimiter: str) -> Parsed:
    """Return the lines of `content` (UTF-8, ended by LF or CR LF) as columns of texts named `names`.

    Rows and broken lines together are as many as the lines; a blank line is a row without content. A cell may be
    quoted (RFC 4180), but not hold the end of a line.
    """
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    if not _doubtful(content, delimiter):
        try:
            parsed = _at_once(content, names, delimiter)
        except pa.ArrowInvalid:
            return _one_by_one(content, names, delimiter)
        # Each row of the fast parser takes one line or more: fewer of them mean that a quote ran over a line's end.
        if len(parsed.cells) + len(parsed.broken) == lines:
            return parsed
    return _one_by_one(content, names, delimiter)


def _doubtful(content: bytes, delimiter: str) -> bool:
    """Whether a quote is inside a cell or without its other, or a CR inside a line: the fast parser would guess."""
    if content.count(b"\r") != content.count(b"\r\n") or content.count(b'"') % 2:
        return True
    mark = re.escape(delimiter.encode())
    return b'"' in content and re.search(rb'[^\n%b]"[^\r\n"%b]' % (mark, mark), content) is not None


def _at_once(content: bytes, names: list[str], delimiter: str) -> Parsed:
    broken: list[Broken] = []

    def set_aside(row: pacsv.InvalidRow) -> str:
        broken.append(Broken(row.number - 1, row.text, _miscounted(row.actual_columns, row.expected_columns)))
        return "skip"

    table = pacsv.read_csv(
        pa.BufferReader(content),
        # One thread: only then are the numbers of broken lines known.
        read_options=pacsv.ReadOptions(use_threads=False, block_size=len(content) + 1, column_names=names),
        # Blank lines are counted here and dropped later, or the numbers of the lines would be wrong.
        parse_options=pacsv.ParseOptions(delimiter=delimiter, invalid_row_handler=set_aside, ignore_empty_lines=False),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    return Parsed(pa.RecordBatch.from_arrays([c.combine_chunks() for c in table.columns], schema=_texts(names)), broken)


def _one_by_one(content: bytes, names: list[str], delimiter: str) -> Parsed:
    """Do the same with each line by itself, for the rare piece of a file that has stray quotes."""
    rows: list[list[str]] = []
    broken: list[Broken] = []
    for number, line in enumerate(content.decode().removesuffix("\n").split("\n")):
        text = line.removesuffix("\r")
        try:
            cells = next(csv.reader([text], delimiter=delimiter, strict=True)) if text else [""] * len(names)
        except csv.Error as error:
            broken.append(Broken(number, text, f"no row: {error}"))
            continue
        if len(cells) == len(names):
            rows.append(cells)
        else:
            broken.append(Broken(number, text, _miscounted(len(cells), len(names))))
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(names))]
    return Parsed(pa.RecordBatch.from_arrays(columns, schema=_texts(names)), broken)


def _miscounted(found: int, wanted: int) -> str:
    return f"{found} columns instead of {wanted}"


def _texts(names: list[str]) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in names])
