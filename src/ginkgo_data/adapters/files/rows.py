# Upstream: adapters.files.{archive, bar_source, reference_source, tick_source}
# Downstream: adapters.files.{faults, formats, keys, layout, tables, texts}, domain.model.bars, numpy, pyarrow
# Role: From raw cells to rows in our units, and to faults where a cell cannot be read
"""Reading is not judging: values stay what the file says, only units and labels are converted.

A row whose code, time, series or number is no such thing becomes a fault that names its first such cell; every
other row is a row, however absurd.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.files.faults import (
    FAULT_SCHEMA,
    KEY_FIELDS,
    UNREADABLE_CODE,
    UNREADABLE_DATE,
    UNREADABLE_NUMBER,
    UNREADABLE_SERIES,
    Faults,
    key_columns,
)
from ginkgo_data.adapters.files.formats import Padding
from ginkgo_data.adapters.files.keys import Keys, Wanted, read_keys
from ginkgo_data.adapters.files.layout import Layout
from ginkgo_data.adapters.files.tables import Block
from ginkgo_data.adapters.files.texts import Mask, as_texts, read_numbers
from ginkgo_data.domain.model.bars import CODE, PRICES

NUMBERS = (*PRICES, "volume", "amount", "pre_close")
SOURCE = "files"

ROW_SCHEMA = pa.schema(
    [
        *KEY_FIELDS,
        *(pa.field(name, pa.float64()) for name in NUMBERS),
        pa.field("source", CODE),
        pa.field("idle", pa.bool_()),
        pa.field("line", pa.int64()),
    ]
)
"""`wall`: exchange-local end of the bar (daily: midnight). `idle`: a row that pads a session without trading."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """Rows (`ROW_SCHEMA`) and faults (`FAULT_SCHEMA`) of one file."""

    rows: pa.Table
    faults: pa.Table

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the sheet takes."""
        return int(self.rows.nbytes + self.faults.nbytes)

    @classmethod
    def concat(cls, sheets: list[Sheet]) -> Sheet:
        """Return the rows and faults of `sheets`, in order."""
        rows = [ROW_SCHEMA.empty_table(), *(sheet.rows for sheet in sheets)]
        faults = [FAULT_SCHEMA.empty_table(), *(sheet.faults for sheet in sheets)]
        return cls(pa.concat_tables(rows).unify_dictionaries(), pa.concat_tables(faults).unify_dictionaries())

    def select(self, wanted: Wanted) -> Sheet:
        """Return what `wanted` is about."""
        return Sheet(_select(self.rows, wanted), _select(self.faults, wanted))


def read_rows(block: Block, layout: Layout, wanted: Wanted | None = None) -> Sheet:
    """Return the rows of `block` (only those that `wanted` is about, where given); blank lines are no rows."""
    keys = read_keys(block.cells, layout)
    kept = ~_blank(block.cells, keys)
    if wanted is not None:
        kept &= wanted.marks(pa.chunked_array([keys.code]), keys.series, keys.session)
    cells, lines = block.cells, block.lines
    if not kept.all():
        chosen = np.flatnonzero(kept)
        cells, lines, keys = cells.take(pa.array(chosen)), lines[chosen], keys.take(chosen)
    numbers, faulty = _read_numbers(cells, layout)
    faults = Faults(cells, lines, keys, layout)
    faults.add(UNREADABLE_CODE, keys.no_code, "code")
    faults.add(UNREADABLE_DATE, keys.no_moment, "moment", "time")
    faults.add(UNREADABLE_SERIES, keys.series < 0, "frequency", "adjust")
    for role, mask in faulty.items():
        faults.add(UNREADABLE_NUMBER, mask, role)
    faults.add_broken(block.broken)
    rows = _rows(keys, numbers, _sources(cells, layout), _idle(cells, layout, numbers), lines)
    return Sheet(rows.filter(pa.array(~faults.taken)), faults.table())


def _blank(cells: pa.RecordBatch, keys: Keys) -> Mask:
    blank = np.zeros(len(cells), np.bool_)
    suspects = np.flatnonzero(keys.no_moment)
    if len(suspects):
        texts = [as_texts(column.take(pa.array(suspects))) for column in cells.columns]
        empty = np.ones(len(suspects), np.bool_)
        for text in texts:
            empty &= pc.equal(text, "").to_numpy(zero_copy_only=False)
        blank[suspects] = empty
    return blank


def _read_numbers(cells: pa.RecordBatch, layout: Layout) -> tuple[dict[str, pa.Array], dict[str, Mask]]:
    """Return the number columns in our units (a role without a column is null), and their unreadable cells."""
    numbers, faulty = {}, {}
    for role in NUMBERS:
        column = layout.columns.get(role)
        if column is None:
            numbers[role] = pa.nulls(len(cells), pa.float64())
            continue
        numbers[role], faulty[role] = read_numbers(cells[column])
    if layout.volume_unit == "lots":
        numbers["volume"] = _scaled(numbers["volume"], 100.0, 1.0)
    if layout.amount_unit == "thousand_yuan":
        # Through fen: the product of two doubles is not always the double nearest to the decimal value.
        numbers["amount"] = _scaled(numbers["amount"], 100_000.0, 100.0)
    return numbers, faulty


def _scaled(column: pa.Array, factor: float, divisor: float) -> pa.Array:
    values = column.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(values * factor) / divisor
    return pa.array(scaled, mask=column.is_null().to_numpy(zero_copy_only=False))


def _idle(cells: pa.RecordBatch, layout: Layout, numbers: dict[str, pa.Array]) -> Mask:
    """Mark rows that stand for a session without trading, by the format's own convention."""
    padding = layout.form.padding
    if padding is Padding.NONE or (padding is Padding.STATUS and "status" not in layout.columns):
        return np.zeros(len(cells), np.bool_)
    opened, high, low, close = (numbers[price].to_numpy(zero_copy_only=False) for price in PRICES)
    volume = numbers["volume"].to_numpy(zero_copy_only=False)
    untraded = np.nan_to_num(volume, nan=0.0) == 0.0
    flat = (opened == high) & (high == low) & (low == close)
    if padding is Padding.ZERO:
        idle: Mask = untraded & flat & (close == 0.0)
    elif padding is Padding.STATUS:
        idle = untraded & pc.equal(as_texts(cells[layout.columns["status"]]), "0").to_numpy(zero_copy_only=False)
    else:
        # An empty volume states nothing: without a status beside it, such a row goes to quarantine.
        idle = flat & (volume == 0.0)
    return idle


def _sources(cells: pa.RecordBatch, layout: Layout) -> pa.Array:
    column = layout.columns.get("source")
    if column is None:
        return pa.repeat(SOURCE, len(cells))
    texts = as_texts(cells[column])
    return pc.if_else(pc.equal(texts, ""), SOURCE, texts)


def _rows(
    keys: Keys, numbers: dict[str, pa.Array], source: pa.Array, idle: Mask, lines: npt.NDArray[np.int64]
) -> pa.Table:
    columns = {
        **key_columns(keys),
        **numbers,
        "source": source.dictionary_encode(),
        "idle": pa.array(idle),
        "line": pa.array(lines),
    }
    return pa.table(columns).cast(ROW_SCHEMA)


def _select(table: pa.Table, wanted: Wanted) -> pa.Table:
    session = table["session"].to_numpy().astype("datetime64[D]")
    marks = wanted.marks(table["code"], table["series"].to_numpy(), session)
    return table if marks.all() else table.filter(pa.array(marks))
