# Upstream: adapters.files.{bar_source, rows, tick_rows}
# Downstream: adapters.files.{keys, layout, tables, texts}, domain.model.{bars, quality, series}, numpy, pyarrow
# Role: Rows that cannot be read, with the cell at fault, until they become rejects of an answer
"""A fault keeps the row as JSON, the cell that cannot be read, and whatever could be read of the key."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.files.keys import Keys
from ginkgo_data.adapters.files.layout import Layout
from ginkgo_data.adapters.files.tables import BrokenLine
from ginkgo_data.adapters.files.texts import Mask, as_texts
from ginkgo_data.domain.model.bars import CODE, EXCHANGE_ZONE
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.series import Series

UNREADABLE_ROW: Final = "unreadable_row"
UNREADABLE_CODE: Final = "unreadable_code"
UNREADABLE_DATE: Final = "unreadable_date"
UNREADABLE_SERIES: Final = "unreadable_series"
UNREADABLE_NUMBER: Final = "unreadable_number"

_WALL = pa.timestamp("ms")
KEY_FIELDS = (
    pa.field("code", CODE),
    pa.field("series", pa.int8()),
    pa.field("session", pa.date32()),
    pa.field("wall", _WALL),
)
FAULT_SCHEMA = pa.schema(
    [
        *KEY_FIELDS,
        *(pa.field(name, pa.string()) for name in ("rule", "field", "value", "row")),
        pa.field("line", pa.int64()),
    ]
)
"""A key that cannot be read is null (`series`: -1); `wall` is the exchange-local end of the bar."""


def zoned(wall: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return exchange-local wall-clock times as zoned timestamps."""
    return pc.assume_timezone(wall, EXCHANGE_ZONE, ambiguous="earliest", nonexistent="latest")


def key_columns(keys: Keys) -> dict[str, pa.Array]:
    """Return the columns of `KEY_FIELDS`."""
    return {
        "code": keys.code,
        "series": pa.array(keys.series),
        "session": pa.array(keys.session),
        "wall": pa.array(keys.moment),
    }


def rejects_of(faults: pa.Table, origin: str, asked: Series, source: str, version: int) -> Rejects:
    """Return the faults of the file `origin`, of the series `asked` or of one that cannot be read, as rejects.

    The content hash covers the file's name, the rule and the row's content, not its line: a row that moves
    inside its file is the same row.
    """
    rows = len(faults)
    hashes = [
        int.from_bytes(blake2b("\0".join((origin, *parts)).encode(), digest_size=8).digest(), "little")
        for parts in zip(faults["rule"].to_pylist(), faults["row"].to_pylist(), strict=True)
    ]
    columns = {
        "code": faults["code"],
        "frequency": pa.repeat(asked.frequency.value, rows),
        "adjust": pa.repeat(asked.adjust.value, rows),
        "timestamp": zoned(faults["wall"]),
        "rule": faults["rule"],
        "field": faults["field"],
        "value": faults["value"],
        "place": pc.binary_join_element_wise(origin, faults["line"].cast(pa.string()), ":"),
        "row": faults["row"],
        "content_hash": pa.array(hashes, pa.uint64()),
        "source": pa.repeat(source, rows),
        "version": pa.repeat(pa.scalar(version, pa.uint64()), rows),
    }
    return Rejects.of(pa.table(columns))


class Faults:
    """Collects the faults of one block's rows; a row is taken by the first."""

    def __init__(self, cells: pa.RecordBatch, lines: npt.NDArray[np.int64], keys: Keys, layout: Layout) -> None:
        self._cells = cells
        self._lines = lines
        self._keys = keys
        self._columns = layout.columns
        self._parts = [FAULT_SCHEMA.empty_table()]
        self.taken = np.zeros(len(cells), np.bool_)

    def add(self, rule: str, mask: Mask, *roles: str) -> None:
        """Take the rows of `mask` not taken yet; the cells of `roles` are at fault."""
        rows = np.flatnonzero(mask & ~self.taken)
        if not len(rows):
            return
        self.taken[rows] = True
        cells = self._cells.take(pa.array(rows))
        columns = [self._columns[role] for role in roles if role in self._columns]
        values = pc.binary_join_element_wise(*(as_texts(cells[column]) for column in columns), " ")
        # Faults are few: one JSON text each, made row by row.
        texts = [json.dumps(row, ensure_ascii=False, default=str) for row in _as_rows(cells)]
        self._parts.append(
            pa.table(
                {
                    **key_columns(self._keys.take(rows)),
                    "rule": pa.repeat(rule, len(rows)),
                    "field": pa.repeat(" ".join(columns), len(rows)),
                    "value": values,
                    "row": pa.array(texts, pa.string()),
                    "line": pa.array(self._lines[rows]),
                }
            ).cast(FAULT_SCHEMA)
        )

    def add_broken(self, broken: tuple[BrokenLine, ...]) -> None:
        """Add lines that are no rows at all."""
        rows = [
            {
                "series": -1,
                "rule": UNREADABLE_ROW,
                "field": "line",
                "value": line.problem,
                "row": json.dumps({"text": line.text}, ensure_ascii=False),
                "line": line.line,
            }
            for line in broken
        ]
        self._parts.append(pa.Table.from_pylist(rows, FAULT_SCHEMA))

    def table(self) -> pa.Table:
        """Return all faults in the order of their lines."""
        return pa.concat_tables(self._parts).unify_dictionaries().sort_by("line")


def _as_rows(cells: pa.RecordBatch) -> list[dict[str, object]]:
    try:
        rows: list[dict[str, object]] = cells.to_pylist()
    except (OverflowError, ValueError):
        # A time that Python has no value for: as the text that Arrow has for it.
        rows = pa.table({name: as_texts(cells[name]) for name in cells.schema.names}).to_pylist()
    return rows
