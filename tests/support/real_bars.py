"""Real vendor files of the shared data as bars, in our units; nothing of them is kept in the project.

>>> tushare("daily/tushare_daily_raw_2019_2020.csv")     # 10,774 raw daily bars of 35 codes
>>> eastmoney_minutes()                                  # 1,205 one-minute bars with the vendor's opens of 0
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ginkgo_data.domain.model.bars import BarBatch, Sessions
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from ginkgo_data.domain.services.listings import Listing, Listings
from support.bars import zoned
from support.shared_data import SHARED

RAW = "daily/tushare_daily_raw_2019_2020.csv"
QFQ = Series(adjust=Adjust.QFQ)


@cache
def calendar() -> Sessions:
    """Return the exchange's sessions 1990-2026."""
    table = texts("calendar/trade_cal_tushare_shape_from_XSHG_1990_2026.csv")
    opened = table.filter(pc.equal(table["is_open"], "1"))
    return np.unique(days(opened["cal_date"]))


def texts(name: str) -> pa.Table:
    """Return a vendor file with every column as text."""
    path = SHARED / name
    with path.open(encoding="utf-8-sig") as file:
        names = file.readline().strip().split(",")
    kinds = dict.fromkeys(names, pa.string())
    return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=kinds, strings_can_be_null=True))


def days(column: pa.ChunkedArray) -> np.ndarray:
    """Return dates written as 20240102, 2024-01-02 or with a time behind."""
    plain = pc.utf8_slice_codeunits(pc.replace_substring(column, "-", ""), 0, 8)
    return pc.strptime(plain, "%Y%m%d", "s").to_numpy().astype("datetime64[D]")


def batch(
    table: pa.Table,
    codes: pa.ChunkedArray | pa.Array,
    when: str,
    series: Series = DAILY,
    *,
    volume: str,
    shares: int = 1,
    amount: str | None = None,
    money: int = 1,
    pre_close: str | None = None,
) -> BarBatch:
    """Return vendor columns as bars; `shares` and `money` are the vendor's units."""

    def numbers(name: str | None) -> pa.ChunkedArray | pa.Array:
        return pa.nulls(len(table), pa.float64()) if name is None else pc.cast(table[name], pa.float64())

    session = days(table[when])
    wall = session
    if series.frequency is not Frequency.DAY:
        wall = pc.strptime(table[when], "%Y-%m-%d %H:%M:%S", "ms").to_numpy()
    return BarBatch.of(
        pa.table(
            {
                "code": codes,
                "session": pa.array(session),
                "timestamp": zoned(wall),
                **{name: numbers(name) for name in ("open", "high", "low", "close")},
                "pre_close": numbers(pre_close),
                # A lot with decimals times 100 is whole but for float noise.
                "volume": pc.round(pc.multiply(numbers(volume), float(shares)), 6),
                "amount": pc.multiply(numbers(amount), float(money)),
                "source": pa.array(["vendor"] * len(table)),
                "version": pa.array([1] * len(table), pa.uint64()),
            }
        ),
        series,
    )


def tushare(name: str = RAW, series: Series = DAILY, shares: int = 100, money: int = 1000) -> BarBatch:
    """Return a daily file of Tushare; its units are lots and thousand CNY."""
    table = texts(name)
    return batch(
        table,
        table["ts_code"],
        "trade_date",
        series,
        volume="vol",
        shares=shares,
        amount="amount",
        money=money,
        pre_close="pre_close",
    )


def baostock() -> BarBatch:
    """Return the daily bars of baostock, suspended days among them."""
    table = texts("daily/baostock_qfq_2017_202008.csv")
    code = pc.utf8_upper(table["code"])
    turned = pc.binary_join_element_wise(pc.utf8_slice_codeunits(code, 3, 9), pc.utf8_slice_codeunits(code, 0, 2), ".")
    return batch(table, turned, "date", QFQ, volume="volume", amount="amount", pre_close="preclose")


def sina() -> BarBatch:
    """Return the daily bars of Sina, some without a volume; codes are bare."""
    table = texts("daily/sina_qfq_2020_2026.csv")
    return batch(table, table["code"], "date", QFQ, volume="vol")


def tdx_days(name: str, code: str) -> BarBatch:
    """Return a TDX .day file: prices in hundredths, volume and amount as it has them."""
    prices = [(name, "<u4") for name in ("open", "high", "low", "close")]
    fields = [("day", "<u4"), *prices, ("amount", "<f4"), ("volume", "<u4"), ("reserved", "<u4")]
    raw = np.fromfile(SHARED / "tdx" / "vipdoc" / "sh" / "lday" / name, np.dtype(fields))
    session = np.array([f"{d // 10000}-{d // 100 % 100:02}-{d % 100:02}" for d in raw["day"].tolist()], "datetime64[D]")
    rows = len(raw)
    return BarBatch.of(
        pa.table(
            {
                "code": pa.array([code] * rows),
                "session": pa.array(session),
                "timestamp": zoned(session),
                **{n: pa.array(raw[n] / 100.0) for n in ("open", "high", "low", "close")},
                "pre_close": pa.nulls(rows, pa.float64()),
                "volume": pa.array(raw["volume"].astype(np.float64)),
                "amount": pa.array(raw["amount"].astype(np.float64)),
                "source": pa.array(["vendor"] * rows),
                "version": pa.array([1] * rows, pa.uint64()),
            }
        )
    )


def single(name: str, code: str, series: Series = DAILY, **columns: object) -> BarBatch:
    """Return a file of one code, whose first column is the time."""
    table = texts(name)
    return batch(table, pa.array([code] * len(table)), "datetime", series, volume="volume", **columns)


def eastmoney_minutes() -> BarBatch:
    """Return Eastmoney's 1-minute bars of five sessions: open 0.0 on all but the newest."""
    name = "minute/em_1min_600519_20260323_27.csv"
    return single(name, "600519.SH", Series(Frequency.MIN1), shares=100, amount="成交额")


def eastmoney_five_minutes() -> BarBatch:
    """Return Eastmoney's 5-minute bars of 31 sessions."""
    return single("minute/em_5min_600519.csv", "600519.SH", Series(Frequency.MIN5), shares=100, amount="成交额")


def sina_quarters(code: str) -> BarBatch:
    """Return Sina's 15-minute bars of 117 sessions."""
    return single(f"minute/sina_15min_{code[:6]}.csv", code, Series(Frequency.MIN15), amount="amount")


def seen_since_first_row(bars: BarBatch) -> Listings:
    """Return listings that take the first row of each code for its first session, as an archive does."""
    first: dict[str, int] = {}
    pairs = zip(bars.table["code"].to_pylist(), bars.table["session"].cast(pa.int32()).to_pylist(), strict=True)
    for code, day in pairs:
        first[code] = min(first.get(code, day), day)
    return Listings({code: Listing(listed=day) for code, day in first.items()})
