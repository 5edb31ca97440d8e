# Upstream: entrypoints.{cli, show_revisions}
# Downstream: adapters.clickhouse.adjusted_bars, domain.model, entrypoints.database, pyarrow, rich
# Role: Printing stored bars as a table, CSV, JSON or Parquet
"""What `ginkgo-data bars` prints: plain decimals, sessions as YYYY-MM-DD, timestamps with their zone."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from rich.console import Console
from rich.table import Table

from ginkgo_data.adapters.clickhouse.adjusted_bars import AdjustedBars
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.series import Adjust, Series
from ginkgo_data.entrypoints.database import database_settings, opened

COLUMNS = (
    "code",
    "frequency",
    "adjust",
    "session",
    "timestamp",
    "open",
    "high",
    "low",
    "close",
    "pre_close",
    "volume",
    "amount",
    "source",
)
_NUMBERS = ("open", "high", "low", "close", "pre_close", "volume", "amount")
_TABLE_ROWS = 20


def show_bars(
    code: str, series: Series, first: date, last: date, output: str, database: str | None, config: Path | None
) -> bool:
    """Print the bars of `code` on standard output; return whether there were any.

    Where no adjusted bars are stored, but raw ones and adjustment factors are, they are computed, and a note on
    standard error says so. Raises `ConfigurationError` where no database is named, `StoreUnavailable` where it does
    not answer.
    """
    settings = database_settings(database, config)
    with opened(settings) as container:
        batch = container.bar_repository().read([code], series, first, last)
        if not len(batch) and series.adjust is not Adjust.NONE:
            batch = _computed(container.adjusted_bars().read(code, series, first, last), code, series)
    if not len(batch):
        where = settings.clickhouse.url
        sys.stderr.write(f"no {series} bars of {code} between {first} and {last} in {where}\n")
        return False
    _PRINTERS[output](plain(batch))
    return True


def _computed(found: AdjustedBars, code: str, series: Series) -> BarBatch:
    """Return bars computed from raw ones with a note about it; none where no factor is known."""
    count = len(found.bars)
    if found.without_factor == count:
        if count:
            sys.stderr.write(
                f"{count} raw bars of {code} are stored, but no adjustment factor at or before their sessions; "
                "the command adjustfactor collects them\n"
            )
        return BarBatch.empty(series)
    scaled = f", scaled to the prices of {found.basis}, the newest factor held" if found.basis else ""
    note = f"note: no {series} bars of {code} are stored; computed from raw bars and adjustment factors{scaled}"
    if found.without_factor:
        note += f"; {found.without_factor} bars before the first factor have no adjusted price"
    sys.stderr.write(note + "\n")
    return found.bars


def plain(batch: BarBatch) -> pa.Table:
    """Return the batch as a table of `COLUMNS`; numbers stay numbers, session and timestamp become text."""
    table = batch.table
    count = table.num_rows
    columns = {name: table[name] for name in _NUMBERS}
    columns["code"] = table["code"].cast(pa.string())
    columns["source"] = table["source"].cast(pa.string())
    columns["frequency"] = pa.array([batch.series.frequency.value] * count)
    columns["adjust"] = pa.array([batch.series.adjust.value] * count)
    columns["session"] = pc.strftime(table["session"], "%Y-%m-%d")
    stamp = pc.strftime(table["timestamp"].cast(pa.timestamp("s", table["timestamp"].type.tz)), "%Y-%m-%dT%H:%M:%S%z")
    columns["timestamp"] = pc.replace_substring_regex(stamp, r"(\d\d)(\d\d)$", r"\1:\2")
    columns["volume"] = table["volume"].cast(pa.int64())
    return pa.table({name: columns[name] for name in COLUMNS})


def decimals(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers as plain decimal text: no exponent, at most six decimals, no trailing zeros."""
    exact = column if pa.types.is_integer(column.type) else column.cast(pa.decimal128(38, 6))
    text = exact.cast(pa.string())
    return text if pa.types.is_integer(column.type) else pc.replace_substring_regex(text, r"\.?0+$", "")


def _texts(table: pa.Table) -> pa.Table:
    columns = {name: decimals(table[name]) if name in _NUMBERS else table[name] for name in COLUMNS}
    return pa.table(columns)


def _csv(table: pa.Table) -> None:
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    sys.stdout.write(",".join(COLUMNS) + "\n")
    sys.stdout.flush()
    pyarrow.csv.write_csv(_texts(table), sys.stdout.buffer, options)


def _json(table: pa.Table) -> None:
    json.dump(table.to_pylist(), sys.stdout, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def _parquet(table: pa.Table) -> None:
    if sys.stdout.isatty():
        raise ConfigurationError(
            "--format parquet writes bytes: send them to a file, as in  … --format parquet > bars.parquet"
        )
    pyarrow.parquet.write_table(table, sys.stdout.buffer)


def _table(table: pa.Table) -> None:
    texts = _texts(table)
    shown = Table(box=None, header_style="bold")
    names = [name for name in COLUMNS if name not in ("code", "frequency", "adjust", "source")]
    minute = table["frequency"][0].as_py() != "1d"
    names.remove("session" if minute else "timestamp")
    for name in names:
        shown.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    count = table.num_rows
    half = _TABLE_ROWS // 2
    rows = list(range(count)) if count <= _TABLE_ROWS else [*range(half), *range(count - half, count)]
    for place, row in enumerate(rows):
        if count > _TABLE_ROWS and place == half:
            shown.add_row(*["…"] * len(names))
        shown.add_row(*[texts[name][row].as_py() or "" for name in names])
    console = Console()
    first, last = table["session"][0].as_py(), table["session"][count - 1].as_py()
    head = f"{table['code'][0].as_py()} {table['frequency'][0].as_py()} adjust={table['adjust'][0].as_py()}"
    console.print(f"[bold]{head}[/bold]  {count:,} bars, {first} … {last}, source {table['source'][0].as_py()}")
    console.print(shown)
    console.print(
        "prices and amount in CNY, volume in shares"
        + ("" if count <= _TABLE_ROWS else "; --format csv prints every row")
    )


_PRINTERS = {"table": _table, "csv": _csv, "json": _json, "parquet": _parquet}
