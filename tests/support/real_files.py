"""The real vendor files with bars: what their columns mean, worked out with the standard library."""

from __future__ import annotations

import csv
import struct
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from ginkgo_data.adapters.files.bar_source import FilesBarSource
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.fetch import FetchRequest, Rows
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from support.archives import VERSION
from support.shared_data import SHARED

SHANGHAI = ZoneInfo("Asia/Shanghai")
QFQ = Series(adjust=Adjust.QFQ)
Line = dict[str, str]


def fetched(source: FilesBarSource, series: Series, sessions: Sequence[date], codes: Sequence[str]) -> Rows:
    days = np.array(sorted(set(sessions)), "datetime64[D]")
    cells = Cells.cross(codes, days)
    answer = source.fetch(FetchRequest(series, tuple(codes), days[0].item(), days[-1].item(), cells, VERSION))
    assert isinstance(answer, Rows)
    return answer


def scaled(text: str | None, factor: int) -> float | None:
    """Return a decimal text times `factor`; the volume's lots and the amount's thousands are exact decimals."""
    return float(Decimal(text) * factor) if text else None


def prefixed(text: str) -> str:
    exchange, symbol = text.split(".")
    return f"{symbol}.{exchange.upper()}"


def symbol(text: str) -> str:
    padded = text.zfill(6)
    return f"{padded}.{'SH' if padded[0] in '56' else 'SZ'}"


CASES = {
    "daily/tushare_daily_raw_2019_2020.csv": (DAILY, "ts_code", str, "trade_date", "vol", 100, "amount", 1000),
    "daily/tushare_pro_bar_qfq_2015_202009.csv": (QFQ, "ts_code", str, "trade_date", "vol", 100, "amount", 1000),
    "daily/tushare_fund_daily_510300.SH.csv": (DAILY, "ts_code", str, "trade_date", "vol", 100, "amount", 1000),
    "daily/baostock_qfq_2017_202008.csv": (QFQ, "code", prefixed, "date", "volume", 1, "amount", 1),
    "daily/sina_qfq_2020_2026.csv": (QFQ, "code", symbol, "date", "vol", 1, "none", 1),
    "adj/tushare_stk_factor_600519.SH.csv": (DAILY, "ts_code", str, "trade_date", "vol", 100, "amount", 1000),
    "daily/em_daily_600519_2023.csv": (DAILY, "股票代码", symbol, "datetime", "volume", 100, "成交额", 1),
    "minute/em_1min_600519_20260323_27.csv": (
        Series(Frequency.MIN1),
        "600519.SH",
        str,
        "datetime",
        "volume",
        100,
        "成交额",
        1,
    ),
    "minute/em_5min_600519.csv": (
        Series(Frequency.MIN5),
        "600519.SH",
        str,
        "datetime",
        "volume",
        100,
        "成交额",
        1,
    ),
    **{
        f"minute/sina_15min_{code}.csv": (
            Series(Frequency.MIN15),
            "symbol",
            symbol,
            "datetime",
            "volume",
            1,
            "amount",
            1,
        )
        for code in ("000001", "600000", "600063", "600519")
    },
}
TDX = {"000001.SH": ("tdx/vipdoc/sh/lday/sh000001.day", 100), "600000.SH": ("tdx/vipdoc/sh/lday/sh600000.day", 1)}
"""Files of TDX by code, with the shares that their volume counts: lots of an index. They begin in 1990: the summer time
of 1991 is in them."""

WITHOUT_BARS = {
    "minute/tdx_fenshi_1min_000001.SZ_201812_201902.csv": "columns 'open', 'high', 'low', 'close' are missing",
    "minute/tdx_fenshi_1min_000002.SZ_201812_201902.csv": "columns 'open', 'high', 'low', 'close' are missing",
    "minute/tdx_fenshi_1min_600000.SH_201812_201902.csv": "columns 'open', 'high', 'low', 'close' are missing",
    "minute/tdx_1min_000001.SH_index_part1.csv": "column 'volume' is missing",
    "us/AAPL.csv": "of A-share codes its name names none",
}
"""Files of prices that are no bars of an A-share, and what is said of them."""

PADDED = {"daily/baostock_qfq_2017_202008.csv": 291, "daily/sina_qfq_2020_2026.csv": 33}
"""Lines that pad sessions without trading (tradestatus 0; flat with volume 0), counted with awk."""


def idle(line: Line) -> bool:
    if "tradestatus" in line:
        return line["tradestatus"] == "0"
    return "vol" in line and "date" in line and line["vol"] == "0" and line["high"] == line["low"]


def moment(text: str) -> datetime:
    if len(text) == 8:
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def tdx_records(code: str) -> dict[tuple[str, datetime], tuple[str, ...]]:
    """Return the records of a file of TDX as `traded` does: prices in hundredths, amount as float32."""
    name, shares = TDX[code]
    found = {}
    for day, *prices, amount, volume, _ in struct.iter_unpack("<IIIIIfII", (SHARED / name).read_bytes()):
        numbers = [str(volume * shares), repr(amount) if amount else ""]
        found[code, moment(str(day))] = (*(str(Decimal(price) / 100) for price in prices), *numbers)
    return found


def traded(name: str) -> dict[tuple[str, datetime], tuple[str, ...]]:
    """Return (code, timestamp) -> open, high, low, close, volume (shares), amount (CNY, "" for none) as decimal texts.

    Lines that pad sessions without trading, and lines without a volume, are left out.
    """
    _, code_column, canonical, day_column, volume, lot, amount, unit = CASES[name]
    found = {}
    with (SHARED / name).open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            if idle(line) or not line[volume]:
                continue
            prices = [line[price] for price in ("open", "high", "low", "close")]
            numbers = [str(Decimal(line[volume]) * lot), str(Decimal(line[amount]) * unit) if line.get(amount) else ""]
            found[canonical(line.get(code_column, code_column)), moment(line[day_column])] = (*prices, *numbers)
    return found
