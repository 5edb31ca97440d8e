# Upstream: domain.services.{adjustments, rule_tuning}
# Downstream: domain.model, domain.services.{rejecting, rule_set, rules}, numpy, pyarrow
# Role: Adjustment factors against what they must be, and their steps against the bars' reference prices
"""Checks of factors. A row that can be no factor is rejected; a step that the bars do not explain is a flag."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.adjustments import AdjustmentBatch, positive
from ginkgo_data.domain.model.bars import BarBatch, Sessions, code_positions
from ginkgo_data.domain.model.coverage import Flags
from ginkgo_data.domain.model.fetch import FetchRequest
from ginkgo_data.domain.model.quality import Finding
from ginkgo_data.domain.model.series import Dataset
from ginkgo_data.domain.services.rejecting import Hit, Sifted, sift
from ginkgo_data.domain.services.rule_set import RuleSet
from ginkgo_data.domain.services.rules import DEFAULT_RULES

_EXAMPLES = 5
STEP = "factor_step"

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CheckedFactors:
    """The factors that stay, and what became of the others."""

    accepted: AdjustmentBatch
    sifted: Sifted


def check_factors(
    factors: AdjustmentBatch, asked: FetchRequest, sessions: Sessions, rules: RuleSet = DEFAULT_RULES
) -> CheckedFactors:
    """Reject what is no finite number above 0, on no session (of the ascending `sessions`), not asked for, or twice.

    Of two rows of one (code, session) the first stays.
    """
    table = factors.table
    day = table["session"].to_numpy().astype("datetime64[D]")
    outside = (day < np.datetime64(asked.first, "D")) | (day > np.datetime64(asked.last, "D"))
    if asked.codes is not None:
        outside |= code_positions(table["code"], asked.codes) < 0
    hits = [
        Hit("factor_not_positive", "factor", ~positive(table["factor"]).to_numpy()),
        Hit("outside_call", "session", outside),
        Hit("not_a_session", "session", ~np.isin(day, sessions)),
        Hit("duplicate_key", "session", _repeated(table, day)),
    ]
    sifted = sift(Dataset.ADJUSTMENT_FACTORS, table, hits, rules)
    accepted = factors if sifted.kept.all() else AdjustmentBatch(table.filter(pa.array(sifted.kept)))
    return CheckedFactors(accepted, sifted)


def step_findings(
    written: AdjustmentBatch,
    factors: AdjustmentBatch,
    bars: BarBatch,
    sessions: Sessions,
    rules: RuleSet = DEFAULT_RULES,
) -> tuple[Finding, ...]:
    """Return a flag for the steps into rows of `written` that `bars` (1d, as traded) do not explain.

    From one session to the next a factor grows by ``close / pre_close of the next``. It can be judged where both
    sessions (neighbours in the ascending `sessions`) have a factor in `factors` and a bar.
    """
    codes, rule = bars.codes(), rules.get(STEP)
    if rule is None or not codes or not len(factors):
        return ()
    tolerance, rounding = rule.values["tolerance"], rule.values["rounding"]
    day = bars.table["session"].to_numpy().astype("datetime64[D]").astype(np.int64)
    keys = _keys(code_positions(bars.table["code"], codes), day)
    order = np.argsort(keys)
    keys = keys[order]
    close = bars.table["close"].to_numpy()[order]
    reference = bars.table["pre_close"].to_numpy()[order]
    factor = _looked_up(factors, codes, keys)
    column = np.searchsorted(sessions.astype(np.int64), keys & _DAY_BITS)
    follows = (np.diff(keys >> _DAY) == 0) & (np.diff(column) == 1)
    new = np.isin(keys[1:], _keys_of(written, codes))
    with np.errstate(all="ignore"):
        step, wanted = factor[1:] / factor[:-1], close[:-1] / reference[1:]
        allowed = np.maximum(tolerance, rounding / reference[1:])
        off = follows & new & (np.abs(step / wanted - 1) > allowed)
    rows = np.flatnonzero(off)
    if not len(rows):
        return ()
    examples = tuple(
        f"{codes[keys[row + 1] >> _DAY]} {np.datetime64(int(keys[row + 1] & _DAY_BITS), 'D')}: "
        f"factor x {step[row]:.6f}, bars x {wanted[row]:.6f}"
        for row in rows[:_EXAMPLES].tolist()
    )
    return (Finding(rule.id, rule.severity, rule.verdict, len(rows), examples),)


_DAY = 24
"""A key is one integer: the code's position above these bits, the day since 1970 in them."""
_DAY_BITS = (1 << _DAY) - 1


def _keys(position: Longs, day: Longs) -> Longs:
    keys: Longs = np.where(position < 0, np.int64(-1), (position << _DAY) + day)
    return keys


def _keys_of(factors: AdjustmentBatch, codes: list[str]) -> Longs:
    day = factors.table["session"].to_numpy().astype("datetime64[D]").astype(np.int64)
    return _keys(code_positions(factors.table["code"], codes), day)


def _looked_up(factors: AdjustmentBatch, codes: list[str], keys: Longs) -> Floats:
    """Return the factor of each of `keys`, NaN where there is none."""
    known = _keys_of(factors, codes)
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known, keys, sorter=order), len(known) - 1)
    row = order[place]
    return np.where(known[row] == keys, factors.table["factor"].to_numpy()[row], np.nan)


def _repeated(table: pa.Table, day: npt.NDArray[np.datetime64]) -> Flags:
    codes = sorted({code for code in table["code"].unique().to_pylist() if code is not None})
    position = code_positions(table["code"], codes)
    keys = _keys(position, day.astype(np.int64))
    repeated = np.ones(len(keys), np.bool_)
    repeated[np.unique(keys, return_index=True)[1]] = False
    return repeated & (keys >= 0)
