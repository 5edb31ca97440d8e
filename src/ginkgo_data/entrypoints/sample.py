# Upstream: entrypoints.quickstart
# Downstream: domain.model.{bars, coverage, fetch, reference, series}, numpy, pyarrow
# Role: A small synthetic sample, so that a newcomer sees the whole flow without any data or token
"""Synthetic bars on real sessions.

The codes (``999001.SH`` …) belong to no security, and every row's source says that it is synthetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ginkgo_data.domain.model.bars import BAR_SCHEMA, EXCHANGE_ZONE, BarBatch, Sessions, cast_table
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences
from ginkgo_data.domain.model.fetch import SourceCapabilities
from ginkgo_data.domain.model.reference import SECURITY_SCHEMA, Securities
from ginkgo_data.domain.model.series import DAILY

SOURCE = "synthetic"
CODES = tuple(f"999{number:03d}.SH" for number in range(1, 13))
_SEED = 20_190_102


@dataclass(frozen=True, slots=True)
class Sample:
    """What the synthetic vendor has: bars, suspensions, securities."""

    bars: BarBatch
    suspended: Absences
    securities: Securities
    capabilities: SourceCapabilities


def make_sample(sessions: Sessions, codes: tuple[str, ...] = CODES, suspensions: float = 0.004) -> Sample:
    """Return a random walk per code on `sessions`; a share `suspensions` of them is suspended, one code listed late.

    The same sessions always give the same sample. Prices are on the tick (0.01), amount = volume x a price
    between low and high, pre_close is the close before (no ex-dates).
    """
    random = np.random.default_rng(_SEED)
    shape = (len(codes), len(sessions))
    close = np.round(20 * np.exp(np.cumsum(random.normal(0, 0.015, shape), axis=1)), 2)
    pre_close = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    open_ = np.round(pre_close * (1 + random.normal(0, 0.004, shape)), 2)
    high = np.round(np.maximum(open_, close) * (1 + random.uniform(0, 0.01, shape)), 2)
    low = np.round(np.minimum(open_, close) * (1 - random.uniform(0, 0.01, shape)), 2)
    volume = np.rint(random.uniform(1e4, 1e6, shape)) * 100
    amount = np.round(volume * (low + high) / 2, 2)
    traded = random.random(shape) >= suspensions
    traded[:, 0] = True
    listed = np.ones(shape, bool)
    if suspensions:
        listed[-1, : len(sessions) // 3] = False
    present = traded & listed
    index = np.repeat(np.arange(len(codes), dtype=np.int32), len(sessions)).reshape(shape)
    day = np.broadcast_to(sessions, shape)
    text = pa.array(codes, pa.string())
    rows = int(present.sum())
    table = pa.table(
        {
            "code": pa.DictionaryArray.from_arrays(pa.array(index[present]), text),
            "session": pa.array(day[present]),
            "timestamp": local_midnight(day[present]),
            "open": open_[present],
            "high": high[present],
            "low": low[present],
            "close": close[present],
            "pre_close": pre_close[present],
            "volume": volume[present],
            "amount": amount[present],
            "source": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([SOURCE])),
            "version": np.zeros(rows, np.uint64),
        }
    )
    gaps = [(codes[i], day[i, j].item()) for i, j in zip(*np.nonzero(listed & ~traded), strict=True)]
    suspended = Absences.of(
        [(code, session, AbsenceReason.SUSPENDED, "the synthetic vendor says so") for code, session in gaps], SOURCE, 0
    )
    first = [sessions[int(np.flatnonzero(listed[i])[0])].item() for i in range(len(codes))]
    return Sample(
        BarBatch(cast_table("sample", table, BAR_SCHEMA)),
        suspended,
        _securities(codes, first),
        SourceCapabilities(
            SOURCE,
            frozenset({DAILY}),
            row_limit=6000,
            codes_per_call=1000,
            by_session=True,
            market_rows=len(codes),
            extent=(sessions[0].item(), sessions[-1].item()),
        ),
    )


def local_midnight(days: Sessions) -> pa.Array:
    """Return the instants of 00:00 Asia/Shanghai on `days`."""
    naive = pa.array(days.astype("datetime64[ms]"))
    return pa.compute.assume_timezone(naive, EXCHANGE_ZONE)


def _securities(codes: tuple[str, ...], listed: list[object]) -> Securities:
    count = len(codes)
    columns = {
        "code": list(codes),
        "name": [f"synthetic {code[:6]}" for code in codes],
        "market": [""] * count,
        "industry": [""] * count,
        "list_date": listed,
        "delist_date": [None] * count,
        "status": ["L"] * count,
        "source": [SOURCE] * count,
        "version": [0] * count,
    }
    return Securities(pa.table(columns, schema=SECURITY_SCHEMA))
