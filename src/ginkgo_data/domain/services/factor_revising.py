# Upstream: domain.services.adjustments
# Downstream: domain.model, domain.services.revising, ports.adjustment_repository, numpy, pyarrow
# Role: Factors that were fetched again against the stored ones: which the vendor has corrected
"""Corrections of factors are found before anything is written: as for bars, they become visible instead of silent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ginkgo_data.domain.model.adjustments import AdjustmentBatch
from ginkgo_data.domain.model.bars import code_positions, distinct
from ginkgo_data.domain.model.factor_revisions import FactorRevisions
from ginkgo_data.domain.services.revising import RequestOf, no_request
from ginkgo_data.ports.adjustment_repository import AdjustmentRepository

TOLERANCE = 1e-9
"""Relative: less is no correction but the rounding of a float, or of a store that keeps six decimals."""

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FactorRevising:
    """Compares factors fetched again with the stored ones."""

    factors: AdjustmentRepository
    request_of: RequestOf = no_request

    def corrections(self, fetched: AdjustmentBatch) -> FactorRevisions:
        """Return what `fetched` replaces by another value; of two rows of a (code, session) the later version does.

        Stored rows of a later version stay, so they are not replaced. Raises `StoreUnavailable`.
        """
        if not len(fetched):
            return FactorRevisions.empty()
        days = fetched.table["session"].to_numpy().astype("datetime64[D]")
        codes = sorted(distinct(fetched.table["code"]))
        fetched = _latest(fetched, codes)
        stored = self.factors.read(codes, days.min().item(), days.max().item()).factors()
        keys, known = _keys(fetched, codes), _keys(stored, codes)
        order = np.argsort(known)
        place = np.minimum(np.searchsorted(known[order], keys), max(len(known) - 1, 0))
        found = known[order][place] == keys if len(known) else np.zeros(len(keys), np.bool_)
        new = fetched.table.filter(pa.array(found))
        old = stored.table.take(pa.array(order[place[found]] if len(known) else place[found]))
        before, after = old["factor"].to_numpy(), new["factor"].to_numpy()
        differs = np.abs(after - before) > TOLERANCE * np.abs(before)
        differs &= new["version"].to_numpy() > old["version"].to_numpy()
        return self._revisions(old.filter(pa.array(differs)), new.filter(pa.array(differs)), codes)

    def _revisions(self, old: pa.Table, new: pa.Table, codes: list[str]) -> FactorRevisions:
        request = pa.array([self.request_of(code) for code in codes], pa.string())
        columns = {name: new[name] for name in ("code", "session", "source", "version")}
        columns |= {f"old_{name}": old[name] for name in ("factor", "source", "version")}
        columns |= {"new_factor": new["factor"], "request": request.take(pa.array(code_positions(new["code"], codes)))}
        return FactorRevisions.of(pa.table(columns))


def _latest(factors: AdjustmentBatch, codes: list[str]) -> AdjustmentBatch:
    """Return one row per (code, session): the one of the greatest version."""
    keys, versions = _keys(factors, codes), factors.table["version"].to_numpy()
    order = np.lexsort((versions, keys))
    last = np.append(keys[order][1:] != keys[order][:-1], True)
    return factors if last.all() else AdjustmentBatch(factors.table.take(pa.array(order[last])))


def _keys(factors: AdjustmentBatch, codes: list[str]) -> Longs:
    """Return one number per (code, session)."""
    days = factors.table["session"].cast(pa.int32()).to_numpy().astype(np.int64)
    keys: Longs = days * len(codes) + code_positions(factors.table["code"], codes)
    return keys
