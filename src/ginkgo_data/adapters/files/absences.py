# Upstream: adapters.files.bar_source
# Downstream: adapters.files.formats, domain.model.{bars, coverage}, numpy, pyarrow
# Role: Evidence for the cells that an archive has no bar for
"""Why a wanted cell has no bar: the archive says so by a padding row, or it simply has no row.

An archive is complete in itself, so a cell without a row is answered: with `NO_ROW`, which is recorded and
explains nothing. Only padding, by its format's own convention, says `SUSPENDED`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.files.formats import Padding
from ginkgo_data.domain.model.bars import cast_table, code_positions
from ginkgo_data.domain.model.coverage import ABSENCE_SCHEMA, AbsenceReason, Absences, Cells

IDLE_WORDS = {
    Padding.STATUS: "tradestatus=0, volume 0",
    Padding.FLAT: "row without trading (open=high=low=close, volume 0)",
    Padding.ZERO: "rows without trading (all prices and volumes 0)",
}


def absences_of(
    left: Cells, idle: pa.Table, faulty: pa.Table, without: Mapping[str, str], source: str, version: int
) -> Absences:
    """Return one absence per cell of `left`.

    `idle` and `faulty` have columns code, session and evidence: sessions that are padding, and rows that could
    not be read. For the other cells `without` has the evidence by code.
    """
    reason = np.full(len(left), AbsenceReason.NO_ROW.value, object)
    by_code = pa.array([without[code] for code in left.codes], pa.string())
    evidence = by_code.take(pa.array(left.index)).to_numpy(zero_copy_only=False)
    for table, word in ((faulty, AbsenceReason.NO_ROW), (idle, AbsenceReason.SUSPENDED)):
        cells, rows = _meeting(left, table)
        reason[cells] = word.value
        evidence[cells] = table["evidence"].take(pa.array(rows)).to_numpy()
    columns = {
        "code": pa.array(left.codes, pa.string()).take(pa.array(left.index)),
        "session": pa.array(left.session),
        "reason": pa.array(reason, pa.string()),
        "evidence": pa.array(evidence, pa.string()),
        "source": pa.repeat(source, len(left)),
        "version": pa.repeat(pa.scalar(version, pa.uint64()), len(left)),
    }
    return Absences(cast_table("absences", pa.table(columns), ABSENCE_SCHEMA))


def idle_sessions(rows: pa.Table, daily: bool) -> npt.NDArray[np.bool_]:
    """Mark the padding among `rows`: idle rows, and of minutes only where the code's whole session is idle."""
    idle: npt.NDArray[np.bool_] = rows["idle"].to_numpy()
    if daily or not idle.any():
        return idle
    codes = pc.unique(rows["code"].cast(pa.string())).to_pylist()
    day = rows["session"].to_numpy().astype("datetime64[D]").astype(np.int64)
    cell = day * len(codes) + code_positions(rows["code"], codes)
    return ~np.isin(cell, cell[~idle])


def _meeting(left: Cells, table: pa.Table) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return pairs (cell of `left`, first row of `table`) of the same code and session."""
    position = code_positions(table["code"], left.codes)
    session = table["session"].to_numpy().astype("datetime64[D]")
    known = np.flatnonzero((position >= 0) & ~np.isnat(session))
    stride = max(1, len(left.codes))
    keys = session[known].astype(np.int64) * stride + position[known]
    asked = left.session.astype("datetime64[D]").astype(np.int64) * stride + left.index
    first, where = np.unique(keys, return_index=True)
    slot = np.minimum(np.searchsorted(first, asked), max(0, len(first) - 1))
    cells = np.flatnonzero(first[slot] == asked) if len(first) else np.empty(0, np.int64)
    return cells, known[where[slot[cells]]] if len(first) else np.empty(0, np.int64)
