# Upstream: adapters.files.{layout, scanning}
# Downstream: adapters.files.tables, domain.model.codes, numpy, pyarrow
# Role: Reader of TDX vipdoc binaries: .day, .lc1 and .lc5 records of 32 bytes
"""TDX (通达信) writes one file per code, records of 32 bytes, little endian.

`.day`: date YYYYMMDD, four prices as integers (x 100; funds, bonds and Shanghai B shares x 1000), amount in CNY as
float32, volume, reserved. `.lc1`/`.lc5`: day packed as ``(year - 2004) * 2048 + month * 100 + day``, minute of the
day at which the bar ends, four float32 prices, amount, volume, reserved. Volumes are shares; those of an index in
`.day` are lots. A daily volume too great for 32 bits is in lots, marked 0xC36400 in `reserved`, whose last byte
holds the odd shares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.adapters.files.tables import Block, BrokenLine
from ginkgo_data.domain.model.codes import INDEX_PATTERN

RECORD_BYTES = 32
_PRICES = ("open", "high", "low", "close")
_DAY = np.dtype(
    [("date", "<u4"), *((price, "<u4") for price in _PRICES), ("amount", "<f4"), ("volume", "<u4"), ("rest", "<u4")]
)
_MINUTE = np.dtype(
    [
        ("day", "<u2"),
        ("minute", "<u2"),
        *((price, "<f4") for price in _PRICES),
        ("amount", "<f4"),
        ("volume", "<u4"),
        ("rest", "<u4"),
    ]
)
_BLOCK_RECORDS = 65_536
_LOTS_MARK = 0xC3640000

_INDEX = re.compile(INDEX_PATTERN + r"|^(?:88|99)\d{4}\.SH$")
# Heads of codes quoted with three decimals: funds, bonds, and B shares in US dollars.
_THREE_DECIMALS = re.compile(r"^(?:5\d|900|01|1[0-4])\d+\.SH$|^1[0-68]\d+\.SZ$")


def is_index(code: str) -> bool:
    """Return whether `code` is an index, whose daily volume TDX writes in lots."""
    return _INDEX.match(code) is not None


def read_tdx(path: Path, code: str) -> Iterator[Block]:
    """Yield the records of a TDX file as blocks with columns date, open, high, low, close, amount, volume.

    Dates are texts (``20240102``, minutes ``202401020931``), so that an impossible one is shown as it is. A
    record is a line, counted from 1; bytes left over at the end are a broken line.
    """
    kind, decode = (_DAY, _day_cells) if path.suffix == ".day" else (_MINUTE, _minute_cells)
    decimals = 3 if _THREE_DECIMALS.match(code) else 2
    line = 1
    with path.open("rb") as file:
        while content := file.read(_BLOCK_RECORDS * RECORD_BYTES):
            whole = len(content) // RECORD_BYTES
            records = np.frombuffer(content, kind, whole)
            left = content[whole * RECORD_BYTES :]
            problem = f"a record of {len(left)} bytes instead of {RECORD_BYTES}"
            broken = (BrokenLine(line + whole, left.hex(), problem),) if left else ()
            yield Block(decode(records, decimals, code), np.arange(line, line + whole), broken)
            line += whole


def _day_cells(records: npt.NDArray[Any], decimals: int, code: str) -> pa.RecordBatch:
    volume = records["volume"].astype(np.float64)
    if not is_index(code):  # an index keeps its numbers of risen and fallen members in the reserved bytes
        rest = records["rest"]
        volume = np.where(rest & 0xFFFFFF00 == _LOTS_MARK, volume * 100 + (rest & 0xFF), volume)
    prices = {price: records[price] / float(10**decimals) for price in _PRICES}
    return _cells(records["date"].astype(np.int64), 8, prices, records["amount"], volume)


def _minute_cells(records: npt.NDArray[Any], decimals: int, code: str) -> pa.RecordBatch:
    packed, minute = records["day"].astype(np.int64), records["minute"].astype(np.int64)
    day = (packed // 2048 + 2004) * 10_000 + packed % 2048
    # float32 holds a price to seven digits; rounding to the tick gives the price that was traded.
    prices = {price: records[price].astype(np.float64).round(decimals) for price in _PRICES}
    moment = day * 10_000 + minute // 60 * 100 + minute % 60
    return _cells(moment, 12, prices, records["amount"], records["volume"].astype(np.float64))


def _cells(
    moment: npt.NDArray[np.int64],
    digits: int,
    prices: dict[str, npt.NDArray[np.float64]],
    amount: npt.NDArray[np.float32],
    volume: npt.NDArray[np.float64],
) -> pa.RecordBatch:
    texts = pa.compute.utf8_lpad(pa.array(moment).cast(pa.string()), digits, "0")
    columns = {"date": texts, **prices, "amount": amount.astype(np.float64), "volume": volume}
    return pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in columns.items()})
