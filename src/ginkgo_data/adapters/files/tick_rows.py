# Upstream: adapters.files.tick_source
# Downstream: adapters.files, domain.model.{errors, quality, series, ticks}, numpy, pyarrow
# Role: From raw cells of a tick file to ticks in our units, and to faults where a cell cannot be read
"""What a tick file's header means, and reading its rows.

A file of ticks has columns of a time, a price, a volume and a side; the code stands in a column or in the file's
name, the day in the time or in a column of its own. Reading is not judging: values stay what the file says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePath
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.files.faults import (
    UNREADABLE_CODE,
    UNREADABLE_DATE,
    UNREADABLE_NUMBER,
    UNREADABLE_ROW,
    zoned,
)
from ginkgo_data.adapters.files.names import code_in_name
from ginkgo_data.adapters.files.tables import Block, Dialect, dialect_of
from ginkgo_data.adapters.files.texts import Mask, Moments, as_texts, read_codes, read_moments, read_numbers
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.series import Dataset
from ginkgo_data.domain.model.ticks import TickSide

UNREADABLE_SIDE: Final = "unreadable_side"
_LOT: Final = 100.0

_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "code": ("code", "ts_code", "symbol", "股票代码", "证券代码", "代码"),
    "date": ("date", "trade_date", "session", "日期", "交易日期"),
    "time": ("timestamp", "datetime", "trade_time", "time", "成交时间", "时间"),
    "price": ("price", "成交价", "成交价格", "价格"),
    "volume": ("volume", "vol", "成交量", "volume(手)", "成交量(手)"),
    "side": ("side", "direction", "性质", "买卖方向", "买卖盘性质"),
}
_NEEDED: Final = ("time", "price", "volume", "side")
_SIDES: Final = {
    **dict.fromkeys(("buy", "b", "买", "买盘", "主动买"), TickSide.BUY.value),
    **dict.fromkeys(("sell", "s", "卖", "卖盘", "主动卖"), TickSide.SELL.value),
    **dict.fromkeys(("neutral", "n", "", "中性", "中性盘"), TickSide.NEUTRAL.value),
}
"""Words of a side. Numbers are not among them: vendors disagree about what 0 and 1 mean."""

_FRACTION: Final = r":\d{1,2}\.(?P<f>\d{1,3})"


@dataclass(frozen=True)
class TickLayout:
    """How to read one file of ticks."""

    origin: str
    """The file's name inside the archive, as it stands in messages and places."""
    columns: Mapping[str, str]
    """Role -> column."""
    code: str | None
    """The code that the file's name names; None: there is a column."""
    lots: bool
    dialect: Dialect


@dataclass(frozen=True, eq=False)
class TickKeys:
    """Code and time of each row; null or NaT where it cannot be read."""

    code: pa.DictionaryArray
    moment: Moments
    """Exchange-local."""

    @property
    def session(self) -> npt.NDArray[np.datetime64]:
        """The exchange-local day of each row."""
        return self.moment.astype("datetime64[D]")


def tick_layout_of(path: Path, config: FilesConfig) -> TickLayout:
    """Settle the layout of `path`; raises `SchemaMismatch` naming the columns that a file of ticks would need."""
    inside = PurePath(path.name) if path == config.path else path.relative_to(config.path)
    dialect = dialect_of(path)
    columns = {
        role: next(word for word in words if word in dialect.header)
        for role, words in _COLUMNS.items()
        if any(word in dialect.header for word in words)
    }
    if missing := [_COLUMNS[role][0] for role in _NEEDED if role not in columns]:
        raise SchemaMismatch(f"{inside.as_posix()} holds no ticks: column {', '.join(missing)} is missing")
    code = None if "code" in columns else code_in_name(inside)
    lots = config.volume_unit == "lots" if config.volume_unit else "手" in columns["volume"]
    return TickLayout(inside.as_posix(), columns, code, lots, dialect)


def read_tick_keys(block: Block, layout: TickLayout) -> TickKeys:
    """Return the keys of the rows of `block`."""
    cells, columns = block.cells, layout.columns
    if layout.code is None:
        code, _ = read_codes(cells[columns["code"]])
    else:
        rows = pa.array(np.zeros(len(cells), np.int32))
        code = pa.DictionaryArray.from_arrays(rows, pa.array([layout.code]))
    times = cells[columns["time"]]
    texts = pa.types.is_string(times.type)
    # The readers of times of bars know no fractions of a second.
    seconds = pc.replace_substring_regex(times, r"(:\d{1,2})\.\d+", r"\1") if texts else times
    moment, missing = read_moments(seconds)
    if "date" in columns and missing.any():
        apart, _ = read_moments(cells[columns["date"]], seconds)
        moment = np.where(missing, apart, moment)
    return TickKeys(code, np.add(moment, _milliseconds(times)) if texts else moment)


def _milliseconds(times: pa.Array) -> npt.NDArray[np.timedelta64]:
    """Return the fraction of a second that each text has beyond its last colon."""
    fraction = pc.struct_field(pc.extract_regex(as_texts(times), _FRACTION), "f")
    whole = pc.utf8_rpad(pc.fill_null(fraction, ""), 3, "0").cast(pa.int64())
    counts: npt.NDArray[np.timedelta64] = whole.to_numpy(zero_copy_only=False).astype("timedelta64[ms]")
    return counts


@dataclass(frozen=True, eq=False)
class TickSheet:
    """What some rows of a file say of one code's session."""

    ticks: pa.Table
    """Columns timestamp, price, volume, side and line, in the order of the file."""
    faults: Sequence[Mapping[str, object]]


def read_ticks(block: Block, layout: TickLayout, code: str, session: np.datetime64) -> TickSheet:
    """Return the rows of `block` that are of `code` on `session`, and those that may be of it but cannot be read."""
    keys = read_tick_keys(block, layout)
    blank = _blank(block.cells)
    no_code, no_moment = keys.code.is_null().to_numpy(zero_copy_only=False), np.isnat(keys.moment)
    named = pc.fill_null(pc.equal(keys.code.cast(pa.string()), code), False).to_numpy(zero_copy_only=False)
    own = np.flatnonzero(named & ~no_moment & (keys.session == session))
    cells, lines = block.cells.take(pa.array(own)), block.lines[own]
    price, bad_price = read_numbers(cells[layout.columns["price"]])
    volume, bad_volume = read_numbers(cells[layout.columns["volume"]])
    side = _sides(cells[layout.columns["side"]])
    faults = [
        *_faults(block, layout, np.flatnonzero(no_code & ~blank), UNREADABLE_CODE, "code"),
        *_faults(block, layout, np.flatnonzero(no_moment & named & ~blank), UNREADABLE_DATE, "time"),
        *_faults(block, layout, own[bad_price], UNREADABLE_NUMBER, "price"),
        *_faults(block, layout, own[bad_volume & ~bad_price], UNREADABLE_NUMBER, "volume"),
        *(
            {
                "rule": UNREADABLE_ROW,
                "field": "line",
                "value": line.problem,
                "row": json.dumps({"text": line.text}, ensure_ascii=False),
                "line": line.line,
            }
            for line in block.broken
        ),
    ]
    readable = ~(bad_price | bad_volume)
    unknown = readable & side.is_null().to_numpy(zero_copy_only=False)
    faults += _faults(block, layout, own[unknown], UNREADABLE_SIDE, "side")
    table = pa.table(
        {
            "timestamp": zoned(pa.chunked_array([pa.array(keys.moment[own])])),
            "price": price,
            "volume": pc.multiply(volume, _LOT) if layout.lots else volume,
            "side": side,
            "line": pa.array(lines),
        }
    )
    return TickSheet(table.filter(pa.array(readable & ~unknown)), faults)


def rejects_of_ticks(
    faults: Sequence[Mapping[str, object]], origin: str, code: str, source: str, version: int
) -> Rejects:
    """Return the faults of the file `origin` as rejects of ticks of `code`."""
    count = len(faults)
    hashes = [
        int.from_bytes(blake2b(f"{origin}\0{f['rule']}\0{f['row']}".encode(), digest_size=8).digest(), "little")
        for f in faults
    ]
    nameless = [None if f["rule"] in (UNREADABLE_CODE, UNREADABLE_ROW) else code for f in faults]
    columns = {
        "code": pa.array(nameless, pa.string()),
        "frequency": pa.repeat(str(Dataset.TICKS), count),
        "adjust": pa.repeat("", count),
        "timestamp": pa.nulls(count, pa.timestamp("ms", "Asia/Shanghai")),
        **{name: pa.array([f[name] for f in faults], pa.string()) for name in ("rule", "field", "value", "row")},
        "place": pa.array([f"{origin}:{f['line']}" for f in faults], pa.string()),
        "content_hash": pa.array(hashes, pa.uint64()),
        "source": pa.repeat(source, count),
        "version": pa.repeat(pa.scalar(version, pa.uint64()), count),
    }
    return Rejects.of(pa.table(columns))


def _sides(column: pa.Array) -> pa.Array:
    """Return the sides, null where the word is none."""
    words = pc.utf8_lower(as_texts(column))
    place = pc.index_in(words, pa.array(list(_SIDES), pa.string()))
    return pa.array(list(_SIDES.values()), pa.string()).take(place)


def _faults(
    block: Block, layout: TickLayout, rows: npt.NDArray[np.int64], rule: str, role: str
) -> list[dict[str, object]]:
    column = layout.columns.get(role, role)
    texts = {name: as_texts(block.cells[name].take(pa.array(rows))) for name in layout.dialect.header}
    contents = pa.table(texts).to_pylist()
    return [
        {
            "rule": rule,
            "field": column,
            "value": content.get(column, ""),
            "row": json.dumps(content, ensure_ascii=False),
            "line": int(block.lines[row]),
        }
        for row, content in zip(rows.tolist(), contents, strict=True)
    ]


def _blank(cells: pa.RecordBatch) -> Mask:
    empty = np.ones(len(cells), np.bool_)
    for column in cells.columns:
        empty &= pc.equal(as_texts(column), "").to_numpy(zero_copy_only=False)
    return empty
