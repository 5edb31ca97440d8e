# Upstream: entrypoints.show_session_data
# Downstream: domain.model.errors, pyarrow, rich
# Role: Printing stored rows as a table, CSV, JSON or Parquet
"""Rows on standard output: numbers stay numbers, sessions and timestamps are text with their zone."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from rich.console import Console
from rich.table import Table

from ginkgo_data.domain.model.errors import ConfigurationError

_TABLE_ROWS = 20


@dataclass(frozen=True, slots=True)
class Shown:
    """What is printed, and how: `decimals` of a number column, names left out of the table for people, and words."""

    rows: pa.Table
    decimals: Mapping[str, int]
    hidden: tuple[str, ...]
    head: str
    foot: str


def print_rows(shown: Shown, output: str) -> None:
    """Print as ``table``, ``csv``, ``json`` or ``parquet``; raises `ConfigurationError` for bytes on a terminal."""
    if output == "csv":
        _csv(shown)
    elif output == "json":
        json.dump(shown.rows.to_pylist(), sys.stdout, ensure_ascii=False, allow_nan=False)
        sys.stdout.write("\n")
    elif output == "parquet":
        if sys.stdout.isatty():
            raise ConfigurationError("--format parquet writes bytes: send them to a file with  > FILE.parquet")
        pyarrow.parquet.write_table(shown.rows, sys.stdout.buffer)
    else:
        _table(shown)


def day_texts(session: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return days as YYYY-MM-DD."""
    return pc.strftime(session, "%Y-%m-%d")


def moment_texts(timestamp: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return zoned times as ISO 8601 with milliseconds and an offset such as +08:00."""
    return pc.replace_substring_regex(pc.strftime(timestamp, "%Y-%m-%dT%H:%M:%S%z"), r"(\d\d)(\d\d)$", r"\1:\2")


def number_texts(column: pa.ChunkedArray, places: int) -> pa.ChunkedArray:
    """Return numbers as plain decimals: no exponent, at most `places` decimals, no trailing zeros."""
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    return pc.replace_substring_regex(column.cast(pa.decimal128(38, places)).cast(pa.string()), r"\.?0+$", "")


def _texts(shown: Shown) -> pa.Table:
    rows = shown.rows
    return pa.table(
        {
            name: number_texts(rows[name], shown.decimals[name]) if name in shown.decimals else rows[name]
            for name in rows.column_names
        }
    )


def _csv(shown: Shown) -> None:
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    sys.stdout.write(",".join(shown.rows.column_names) + "\n")
    sys.stdout.flush()
    pyarrow.csv.write_csv(_texts(shown), sys.stdout.buffer, options)


def _table(shown: Shown) -> None:
    texts, count = _texts(shown), shown.rows.num_rows
    names = [name for name in texts.column_names if name not in shown.hidden]
    printed = Table(box=None, header_style="bold")
    for name in names:
        printed.add_column(name, justify="right" if name in shown.decimals else "left", no_wrap=True)
    half = _TABLE_ROWS // 2
    rows = list(range(count)) if count <= _TABLE_ROWS else [*range(half), *range(count - half, count)]
    for place, row in enumerate(rows):
        if count > _TABLE_ROWS and place == half:
            printed.add_row(*["…"] * len(names))
        printed.add_row(*[str(texts[name][row].as_py()) for name in names])
    console = Console()
    console.print(shown.head, highlight=False)
    console.print(printed)
    rest = "" if count <= _TABLE_ROWS else "; --format csv prints every row"
    console.print(shown.foot + rest, highlight=False)
