# Upstream: domain.services.validation
# Downstream: domain.model.{bars, fetch, quality}, domain.services.{bar_columns, rule_set}, numpy, pyarrow
# Role: Rejected bars as quarantine keeps them: rule, field, value, place, content
"""Builds what is said about rows that were hit; nothing here runs for a batch without hits.

Texts are put together column-wise, since a vendor whose units are wrong has all its rows rejected.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.fetch import Places
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.services.bar_columns import FLOATS, HOUR_MS, NO_TIME, BarColumns, Longs
from ginkgo_data.domain.services.rule_set import Rule

_CONTENT = ("code", "session", "timestamp", *FLOATS)


def rejects_of(
    bars: BarBatch, columns: BarColumns, rows: Longs, owners: Sequence[Rule], owner: Longs, places: Places | None
) -> Rejects:
    """Return `rows` (positions in `bars`) as rejects, `owner[i]` being the rule of ``rows[i]`` in `owners`."""
    if not len(rows):
        return Rejects.empty()
    hit = columns.rows(rows)
    table = bars.table.take(rows).combine_chunks()
    named = np.empty(len(rows), object)
    values = np.empty(len(rows), object)
    for number in np.unique(owner).tolist():
        mine = np.flatnonzero(owner == number)
        named[mine], values[mine] = faults(owners[number], table.take(mine), hit.rows(mine))
    count = len(rows)
    ids = np.array([rule.id for rule in owners], object)
    columns_of_rejects = {
        "code": table["code"].cast(pa.string()),
        "frequency": pa.array([bars.series.frequency.value] * count),
        "adjust": pa.array([bars.series.adjust.value] * count),
        "timestamp": table["timestamp"],
        "rule": pa.array(ids[owner], pa.string()),
        "field": pa.array(named, pa.string()),
        "value": pa.array(values, pa.string()),
        "place": places_of(table, rows, places),
        "row": _rows_as_json(table, hit),
        "content_hash": pa.array(content_hashes(table, hit), pa.uint64()),
        "source": table["source"],
        # Quarantine needs one; 0 is older than any.
        "version": pc.fill_null(table["version"], 0),
    }
    return Rejects.of(pa.table(columns_of_rejects))


def faults(rule: Rule, table: pa.Table, columns: BarColumns) -> tuple[np.ndarray, np.ndarray]:
    """Return the name of the column at fault and what was found there, for rows that `rule` hits."""
    with np.errstate(all="ignore"):
        blamed = rule.blame(columns)
    named = np.array(rule.fields, object)[blamed]
    if rule.describe is not None:
        return named, np.array(rule.describe(columns, **rule.values), object)
    values = np.empty(len(named), object)
    for position in np.unique(blamed).tolist():
        mine = np.flatnonzero(blamed == position)
        text = _text(table.take(mine), columns.rows(mine), rule.fields[position])
        values[mine] = pc.fill_null(text, "null").to_numpy(zero_copy_only=False)
    return named, values


def places_of(table: pa.Table, rows: Longs, places: Places | None) -> pa.ChunkedArray:
    """Return where each of `rows` came from; without `places`: ``<source> row <n>``, counted from 1."""
    if places is not None:
        found = places.table.take(rows).combine_chunks()
        origin, line = found["origin"].cast(pa.string()), found["line"].cast(pa.string())
        return _joined([pc.fill_null(origin, "?"), pc.fill_null(line, "?")], ":")
    source = pc.fill_null(table["source"].cast(pa.string()), "?")
    number = pa.chunked_array([pa.array(rows + 1).cast(pa.string())])
    return _joined([source, number], " row ")


def content_hashes(table: pa.Table, columns: BarColumns) -> np.ndarray:
    """Return 64 bits of BLAKE2b over code, session, timestamp and the numbers of each row.

    It is the same in every process and on every machine, and says nothing of source and version: the same content
    sent again is the same rejection. A null and a NaN are both a missing value.
    """
    codes = pc.fill_null(table["code"].cast(pa.string()), "").to_pylist()
    numbers = np.stack([columns.floats[name] for name in FLOATS], axis=1).astype("<f8")
    numbers[np.isnan(numbers)] = np.nan
    keys = np.stack([columns.timestamp, columns.session], axis=1).astype("<i8")
    content = np.concatenate([keys.view(np.uint8), numbers.view(np.uint8)], axis=1)
    width, whole = content.shape[1], content.tobytes()
    hashes = np.empty(len(codes), np.uint64)
    for i, code in enumerate(codes):
        digest = blake2b(code.encode() + b"|" + whole[i * width : (i + 1) * width], digest_size=8).digest()
        hashes[i] = int.from_bytes(digest, "little")
    return hashes


def _rows_as_json(table: pa.Table, columns: BarColumns) -> pa.ChunkedArray:
    pieces = []
    for name in _CONTENT:
        text = _text(table, columns, name)
        if name == "code":
            text = pa.chunked_array(
                [[None if code is None else json.dumps(code) for code in text.to_pylist()]], pa.string()
            )
        elif name in FLOATS:
            # JSON has no word for NaN and infinity: they become texts.
            text = pc.if_else(pc.is_finite(table[name]), text, _joined(["", text, ""], '"'))
        else:
            text = _joined(["", text, ""], '"')
        pieces.append(_joined([json.dumps(name), pc.fill_null(text, "null")], ": "))
    return _joined(["{", _joined(pieces, ", "), "}"], "")


def _text(table: pa.Table, columns: BarColumns, name: str) -> pa.ChunkedArray:
    """Return the values of one column as texts, null where they are null; a time as the exchange's."""
    if name != "timestamp":
        return table[name].cast(pa.string())
    local = columns.local_time()
    known = columns.timestamp != NO_TIME
    stamps = np.datetime_as_string(np.where(known, local, 0).astype("datetime64[ms]"), unit="ms")
    zones = np.where(local - columns.timestamp == 9 * HOUR_MS, "+09:00", "+08:00")
    return pa.chunked_array([pa.array(np.char.add(stamps, zones), pa.string(), mask=~known)])


def _joined(parts: Sequence[pa.ChunkedArray | str], between: str) -> pa.ChunkedArray:
    # A null part stays null in the whole.
    return pc.binary_join_element_wise(*parts, between)
