# Upstream: adapters.files
# Downstream: domain.model.series
# Role: The table of declared file formats: columns, units and labels of each vendor's files
"""What a header means. Units and labels are declared per format (measured on real files of each vendor).

| vendor | daily volume | amount | minute volume | minute label | suspended days |
|---|---|---|---|---|---|
| Tushare | lots, two decimals | thousand CNY | shares, CNY | end | no row |
| Sina | shares | CNY | shares | end | daily: flat row with volume 0; minutes: rows of zeros |
| Baostock | shares | CNY | shares | end | row with tradestatus 0 |
| Eastmoney | lots | CNY | lots | end (and a 09:30 auction bar) | no row |
| TDX .day, .lc1, .lc5 | shares | CNY | shares | end | no row |
| generic, our own export | shares | CNY | shares | end | no row |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from ginkgo_data.domain.model.series import Adjust

VolumeUnit = Literal["shares", "lots"]
AmountUnit = Literal["yuan", "thousand_yuan"]
Label = Literal["start", "end"]


class Clock(Enum):
    """What the times of a format's rows are."""

    SESSION = "session"
    MINUTE = "minute"
    EITHER = "either"
    """Days or minutes, as the times of the file show."""


class Padding(Enum):
    """How a format writes a row for a session without trading."""

    NONE = "none"
    STATUS = "status"
    """A status column says 0."""
    FLAT = "flat"
    """open = high = low = close, and volume 0 (an empty volume states nothing)."""
    ZERO = "zero"
    """Every price is 0, in all rows of the session."""


_VALUES = {
    "open": ("open", "开盘", "开盘价", "今开"),
    "high": ("high", "最高", "最高价"),
    "low": ("low", "最低", "最低价"),
    "close": ("close", "收盘", "收盘价"),
    "volume": ("volume", "vol", "成交量"),
    "amount": ("amount", "成交额", "成交金额"),
    "pre_close": ("pre_close", "preclose", "昨收", "昨收盘", "前收盘", "前收盘价"),
}
_CODES = ("code", "ts_code", "symbol", "股票代码", "证券代码", "代码")
_MOMENTS = ("datetime", "timestamp", "trade_time", "date", "trade_date", "日期", "交易日期", "day", "time", "时间")
_DATES = ("date", "trade_date", "日期", "交易日期", "day")
_TIMES = ("time", "时间")
_NEEDED = ("moment", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class FileFormat:
    """One declared format. `columns` maps a role to the header words it may have, the preferred one first.

    A file has the format when each role of `needed` has a column and each group of `marks` shows one of its
    words. Without a code column the code is in the file's name.
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    marks: tuple[tuple[str, ...], ...] = ()
    needed: tuple[str, ...] = _NEEDED
    volume: VolumeUnit = "shares"
    amount: AmountUnit = "yuan"
    clock: Clock = Clock.SESSION
    label: Label = "end"
    padding: Padding = Padding.NONE
    adjustments: Mapping[str, Adjust] = field(default_factory=dict)
    """Words of the adjustment column; empty: the format has no such column."""

    def fit(self, header: Sequence[str]) -> dict[str, str]:
        """Return role -> word of `header` (lower case, trimmed) for every role that has a column."""
        found = {
            role: next(word for word in words if word in header)
            for role, words in self.columns.items()
            if any(word in header for word in words)
        }
        if found.get("time") is not None and found.get("moment") not in _DATES:
            del found["time"]
        return found

    def lacks(self, header: Sequence[str]) -> list[str]:
        """Return the preferred words of the columns that `header` would need to have this format."""
        fitted = self.fit(header)
        roles = [self.columns[role][0] for role in self.needed if role not in fitted]
        return roles + [group[0] for group in self.marks if group[0] not in roles and not set(group) & set(header)]


def _columns(**own: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the usual value columns, with those of one format added or in their place."""
    return {"code": _CODES, "moment": _MOMENTS, **_VALUES, **own}


_BAOSTOCK_ADJUSTMENTS = {"1": Adjust.HFQ, "2": Adjust.QFQ, "3": Adjust.NONE}
_EASTMONEY_MARKS = (("成交额",), ("振幅", "涨跌幅", "涨跌额", "换手率", "均价"))

EXPORT = FileFormat(
    "ginkgo",
    {
        **{role: (role,) for role in ("code", "frequency", "adjust", "session", *_VALUES, "source")},
        "moment": ("timestamp",),
    },
    needed=("code", "frequency", "adjust", "session", *_NEEDED, "pre_close", "amount", "source"),
    clock=Clock.EITHER,
    adjustments={adjust.value: adjust for adjust in Adjust},
)
"""What our own command line writes: read back as it is, row by row in its own series and from its own source."""

TDX_DAY = FileFormat("tdx_day", {"moment": ("date",), **{role: (role,) for role in _VALUES if role != "pre_close"}})
TDX_LC1 = FileFormat("tdx_lc1", TDX_DAY.columns, clock=Clock.MINUTE)
TDX_LC5 = FileFormat("tdx_lc5", TDX_DAY.columns, clock=Clock.MINUTE)

TABLE_FORMATS = (
    EXPORT,
    FileFormat(
        "tushare_minute",
        _columns(code=("ts_code", "code"), moment=("trade_time",), volume=("vol",)),
        clock=Clock.MINUTE,
    ),
    FileFormat(
        "tushare_daily",
        _columns(code=("ts_code", "code"), moment=("trade_date",), volume=("vol",)),
        volume="lots",
        amount="thousand_yuan",
    ),
    FileFormat(
        "baostock_minute",
        _columns(code=("code",), moment=("time",), adjust=("adjustflag",)),
        needed=(*_NEEDED, "adjust"),
        clock=Clock.MINUTE,
        adjustments=_BAOSTOCK_ADJUSTMENTS,
    ),
    FileFormat(
        "baostock_daily",
        _columns(code=("code",), moment=("date",), adjust=("adjustflag",), status=("tradestatus",)),
        marks=(("adjustflag", "tradestatus"),),
        padding=Padding.STATUS,
        adjustments=_BAOSTOCK_ADJUSTMENTS,
    ),
    FileFormat(
        "sina_minute",
        _columns(code=("symbol",), moment=("datetime",), frequency=("period",)),
        needed=("code", *_NEEDED, "frequency"),
        clock=Clock.MINUTE,
        padding=Padding.ZERO,
    ),
    FileFormat(
        "sina_daily",
        _columns(code=("code",), moment=("date",), volume=("vol",)),
        needed=("code", *_NEEDED),
        padding=Padding.FLAT,
    ),
    FileFormat("eastmoney", _columns(), marks=_EASTMONEY_MARKS, volume="lots", clock=Clock.EITHER),
    FileFormat("generic", _columns(time=_TIMES), clock=Clock.EITHER),
)
"""Formats with a header, the most specific first: the first that fits a header is taken."""

TDX_FORMATS = {".day": TDX_DAY, ".lc1": TDX_LC1, ".lc5": TDX_LC5}

FORMATS: Mapping[str, FileFormat] = {f.name: f for f in (*TABLE_FORMATS, *TDX_FORMATS.values())}


_FAR = 4


def recognise(header: Sequence[str], name: str | None = None) -> FileFormat | str:
    """Return the format of a header (lower case, trimmed), or what it lacks of the nearest ones, in words.

    With `name` only that format is tried.
    """
    tried = TABLE_FORMATS if name is None else (FORMATS[name],)
    lacking = [(form, form.lacks(header)) for form in tried]
    for form, lacks in lacking:
        if not lacks:
            return form
    fewest = min(len(lacks) for _, lacks in lacking)
    nearest = [(form, lacks) for form, lacks in lacking if len(lacks) == fewest][:2]
    if fewest > _FAR:  # a list, a calendar …: no bars at all
        nearest = lacking[-1:]
    return "; ".join(f"as {form.name}: {_missing(lacks)}" for form, lacks in nearest)


def _missing(words: Sequence[str]) -> str:
    listed = ", ".join(repr(word) for word in words)
    return f"column {listed} is missing" if len(words) == 1 else f"columns {listed} are missing"
