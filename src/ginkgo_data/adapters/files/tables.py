# Upstream: adapters.files
# Downstream: adapters.files.{csv_lines, encodings}, domain.model.errors, numpy, pyarrow
# Role: CSV and Parquet files as blocks of raw cells with line numbers; a bad line never fails the file
"""Files are read block by block, every CSV cell as text, so one bad cell costs nothing but itself.

Columns are named by the header's words, trimmed and in lower case. A CSV's header is line 1; rows of a Parquet
file count from 1.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ginkgo_data.adapters.files.csv_lines import parse_lines
from ginkgo_data.adapters.files.encodings import ENCODINGS, encoding_of, opened
from ginkgo_data.domain.model.errors import SchemaMismatch

TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".txt", ".parquet", ".pq")
_PARQUET = (".parquet", ".pq")
_PIECE_BYTES = 1 << 20
_BLOCK_ROWS = 65_536


@dataclass(frozen=True)
class Piece:
    """A part of a file that can be read by itself: bytes of a CSV, or a row group of a Parquet file."""

    offset: int
    """First byte, or the number of the row group."""
    size: int
    """Bytes, or rows."""
    line: int
    """Line of its first row."""


@dataclass(frozen=True)
class BrokenLine:
    """A line that does not even have the columns of its file."""

    line: int
    text: str
    problem: str


@dataclass(frozen=True, eq=False)
class Block:
    """Some rows of a file: raw cells, the line of each row, the broken lines among them, and the piece they are of."""

    cells: pa.RecordBatch
    lines: npt.NDArray[np.int64]
    broken: tuple[BrokenLine, ...] = ()
    piece: Piece | None = None


@dataclass(frozen=True)
class Dialect:
    """How a table is written, found by looking at it once."""

    header: tuple[str, ...]
    delimiter: str = ","
    encoding: str | None = None
    """None: clean UTF-8 (or Parquet); else the encoding to decode from, undecodable bytes replaced."""


def dialect_of(path: Path) -> Dialect:
    """Look at a table's header and encoding (UTF-8 or UTF-16, or GBK where the header is not UTF-8).

    Raises `SchemaMismatch` for an empty file, one that is no text, or a column named twice, and the errors of the
    operating system and of pyarrow as they are.
    """
    if path.suffix in _PARQUET:
        return Dialect(_words(path.name, pq.read_schema(path).names))
    with opened(path) as file:
        line = file.readline().removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            raise SchemaMismatch(f"{path.name} is empty: it has no header line")
        if b"\0" in line:
            raise SchemaMismatch(f"{path.name} has NUL bytes in its header, so it is no text; allowed: {ENCODINGS}")
        encoding = encoding_of(line, file)
    text = line.decode(encoding or "utf-8", errors="replace")
    delimiter = next((mark for mark in ",\t;|" if mark in text), ",")
    return Dialect(_words(path.name, next(csv.reader([text], delimiter=delimiter))), delimiter, encoding)


def read_blocks(path: Path, dialect: Dialect, pieces: Sequence[Piece] | None = None) -> Iterator[Block]:
    """Yield the rows of a table, in order; with `pieces` only theirs."""
    if path.suffix in _PARQUET:
        yield from _parquet_blocks(path, dialect, pieces)
        return
    with opened(path) as file:
        for piece, content in _contents(file) if pieces is None else _chosen(file, pieces):
            yield _csv_block(content, piece, dialect)


def _contents(file: BinaryIO) -> Iterator[tuple[Piece, bytes]]:
    """Yield whole lines, about `_PIECE_BYTES` at a time."""
    offset, line = len(file.readline()), 2
    while content := file.read(_PIECE_BYTES):
        content += file.readline()
        yield Piece(offset, len(content), line), content
        offset += len(content)
        line += content.count(b"\n")


def _chosen(file: BinaryIO, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, bytes]]:
    for piece in pieces:
        file.seek(piece.offset)
        yield piece, file.read(piece.size)


def _csv_block(content: bytes, piece: Piece, dialect: Dialect) -> Block:
    if dialect.encoding is not None:
        # Line by line, so that undecodable bytes at the end of a line never take the next one with them.
        content = b"\n".join(line.decode(dialect.encoding, errors="replace").encode() for line in content.split(b"\n"))
    parsed = parse_lines(content, list(dialect.header), dialect.delimiter)
    lines = np.arange(piece.line, piece.line + len(parsed.cells) + len(parsed.broken))
    lines = np.delete(lines, [row.number for row in parsed.broken])
    # A line of spaces is as blank as an empty one.
    broken = (BrokenLine(piece.line + row.number, row.text, row.problem) for row in parsed.broken if row.text.strip())
    return Block(parsed.cells, lines, tuple(broken), piece)


def _parquet_blocks(path: Path, dialect: Dialect, pieces: Sequence[Piece] | None) -> Iterator[Block]:
    with pq.ParquetFile(path) as file:
        for piece in _row_groups(file) if pieces is None else pieces:
            line = piece.line
            for batch in file.iter_batches(_BLOCK_ROWS, row_groups=[piece.offset], use_threads=False):
                cells = pa.RecordBatch.from_arrays(batch.columns, names=list(dialect.header))
                yield Block(cells, np.arange(line, line + len(cells)), (), piece)
                line += len(cells)


def _row_groups(file: pq.ParquetFile) -> Iterator[Piece]:
    line = 1
    for number in range(file.num_row_groups):
        rows = file.metadata.row_group(number).num_rows
        yield Piece(number, rows, line)
        line += rows


def _words(name: str, header: list[str]) -> tuple[str, ...]:
    words = tuple(word.strip().strip("'\"").lower() for word in header)
    twice = sorted({word for word in words if words.count(word) > 1})
    if twice:
        raise SchemaMismatch(f"{name}: column {twice[0]!r} is there more than once; found: {', '.join(words)}")
    return words
