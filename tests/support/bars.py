"""Builders of bar batches for tests: small ones by hand, large ones by number.

>>> bars(closes=[10.0, 10.1])                                    # two daily bars of 000001.SZ
>>> bars("600519.SH", ["2024-01-02"], [1700.0], version=7, amounts=[None])
>>> bars(sessions=["2024-01-02"], series=MINUTES_5, version=3)   # one whole session: 48 bars
>>> market(5000, business_days("2024-01-01", 250), version=1)    # 1.25 M daily bars
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.bars import CODE, EXCHANGE_ZONE, BarBatch
from ginkgo_data.domain.model.series import DAILY, Frequency, Series

CODE_A = "000001.SZ"
CODE_B = "600519.SH"
MINUTES_1 = Series(Frequency.MIN1)
MINUTES_5 = Series(Frequency.MIN5)
TWO_SESSIONS = ("2024-01-02", "2024-01-03")


def bars(
    code: str | Sequence[str] = CODE_A,
    sessions: Sequence[str | date | np.datetime64] = TWO_SESSIONS,
    closes: Sequence[float | None] | None = None,
    *,
    version: int = 1,
    series: Series = DAILY,
    opens: Sequence[float | None] | None = None,
    highs: Sequence[float | None] | None = None,
    lows: Sequence[float | None] | None = None,
    pre_closes: Sequence[float | None] | None = None,
    volumes: Sequence[float | None] | None = None,
    amounts: Sequence[float | None] | None = None,
    source: str = "test",
    keep: int | None = None,
) -> BarBatch:
    """Return the bars of `code` on `sessions`: one row each, or, for minutes, every bar of each session.

    `code` may name one code per session. Values left out: close 10.0, open/high/low = close, pre_close =
    close, volume 1000 shares, amount = close x volume; lists must have one value per row. `keep` cuts each
    session of minute bars to its first `keep` bars.
    """
    days = np.array(list(sessions), dtype="datetime64[D]")
    codes = np.array([code] * len(days) if isinstance(code, str) else list(code), dtype=object)
    minutes = _ends(series)[:keep]
    session = np.repeat(days, len(minutes))
    wall = session.astype("datetime64[m]") + np.tile(minutes, len(days))
    rows = len(session)
    close = list(closes) if closes is not None else [10.0] * rows
    volume = list(volumes) if volumes is not None else [1000.0] * rows
    product = [c * v if c is not None and v is not None else None for c, v in zip(close, volume, strict=True)]
    return BarBatch.of(
        pa.table(
            {
                "code": pa.array(np.repeat(codes, len(minutes)), pa.string()),
                "session": pa.array(session),
                "timestamp": zoned(wall),
                "open": _floats(opens, close),
                "high": _floats(highs, close),
                "low": _floats(lows, close),
                "close": _floats(close, close),
                "pre_close": _floats(pre_closes, close),
                "volume": _floats(volume, volume),
                "amount": _floats(amounts, product),
                "source": pa.array([source] * rows, pa.string()),
                "version": pa.array([version] * rows, pa.uint64()),
            }
        ),
        series,
    )


def market(
    codes: int | Sequence[str],
    sessions: Sequence[str | date | np.datetime64] | np.ndarray,
    *,
    version: int = 1,
    series: Series = DAILY,
    seed: int = 0,
) -> BarBatch:
    """Return made-up but plausible bars of many codes (a number makes names), ordered by code and timestamp.

    Prices walk at random with two decimals, volumes are whole shares, amounts agree with both.
    """
    names = [code_name(i) for i in range(codes)] if isinstance(codes, int) else list(codes)
    days = np.asarray(sessions, dtype="datetime64[D]")
    minutes = _ends(series)
    per_code = len(days) * len(minutes)
    rows = per_code * len(names)
    session = np.tile(np.repeat(days, len(minutes)), len(names))
    wall = session.astype("datetime64[m]") + np.tile(minutes, len(days) * len(names))
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(0.0, 0.01, (len(names), per_code)), axis=1)
    close = np.round(np.clip(20.0 * np.exp(walk), 0.5, 5000.0).ravel(), 2)
    before = np.round(np.clip(close * (1 + random.normal(0.0, 0.005, rows)), 0.5, 5000.0), 2)
    volume = random.integers(100, 1_000_000, rows).astype(np.float64)
    index = np.repeat(np.arange(len(names), dtype=np.int32), per_code)
    return BarBatch.of(
        pa.table(
            {
                "code": pa.DictionaryArray.from_arrays(pa.array(index), pa.array(names, pa.string())),
                "session": pa.array(session),
                "timestamp": zoned(wall),
                "open": before,
                "high": np.maximum(close, before),
                "low": np.minimum(close, before),
                "close": close,
                "pre_close": before,
                "volume": volume,
                "amount": np.round(volume * (close + before) / 2, 2),
                "source": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["test"])),
                "version": pa.array(np.full(rows, version, np.uint64)),
            }
        ),
        series,
    )


def business_days(first: str, count: int) -> np.ndarray:
    """Return `count` Mondays to Fridays from `first` on (no trading calendar), as ``datetime64[D]``."""
    return np.busday_offset(np.datetime64(first, "D"), np.arange(count), roll="forward")


def code_name(number: int) -> str:
    """Return the code of security `number`: even ones in Shanghai, odd ones in Shenzhen, ascending within each."""
    return f"{600000 + number // 2:06d}.SH" if number % 2 == 0 else f"{number // 2 + 1:06d}.SZ"


def zoned(wall: np.ndarray) -> pa.Array:
    """Return wall-clock times of the exchange as zoned timestamps."""
    return pc.assume_timezone(pa.array(wall.astype("datetime64[ms]")), EXCHANGE_ZONE)


def closes_of(batch: BarBatch) -> list[float]:
    """Return the closes of `batch`, in order."""
    return batch.table["close"].to_pylist()


def sessions_of(batch: BarBatch) -> list[str]:
    """Return the sessions of `batch` as ISO texts, in order."""
    return [day.isoformat() for day in batch.table["session"].to_pylist()]


def dictionary(texts: Sequence[str | None]) -> pa.Array:
    """Return `texts` as the dictionary type that code, source and the like have."""
    return pa.array(texts, pa.string()).dictionary_encode().cast(CODE)


def _floats(given: Sequence[float | None] | None, otherwise: Sequence[float | None]) -> pa.Array:
    return pa.array(list(otherwise if given is None else given), pa.float64())


def _ends(series: Series) -> np.ndarray:
    """Minutes after midnight at which the bars of a session end: 0 for a daily bar (its session's midnight)."""
    length = series.frequency.minutes
    if length is None:
        return np.zeros(1, "timedelta64[m]")
    traded = np.arange(length, 241, length)
    return np.where(traded <= 120, 9 * 60 + 30 + traded, 13 * 60 + traded - 120).astype("timedelta64[m]")
