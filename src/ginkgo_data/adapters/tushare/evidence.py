# Upstream: adapters.tushare.bar_source
# Downstream: adapters.tushare.columns, domain.model.{bars, coverage, quality}, numpy, pyarrow
# Role: Which wanted cells the vendor speaks of, and absences built from what it says
"""Evidence about cells (code, session) without a bar, worked out on whole columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.tushare.columns import SOURCE, Mask, constant, days, flags, versions
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE, BarBatch, Sessions, cast_table, code_positions
from ginkgo_data.domain.model.coverage import ABSENCE_SCHEMA, AbsenceReason, Absences, Cells
from ginkgo_data.domain.model.quality import Rejects

SUSPENDED = "suspend_d says suspended (S) with no suspend_timing: for the whole session"


def chosen(cells: Cells, mask: Mask) -> Cells:
    """Return the marked cells."""
    return Cells(cells.codes, cells.index[mask], cells.session[mask])


def named_by(cells: Cells, code: pa.ChunkedArray, session: pa.Array | pa.ChunkedArray) -> Mask:
    """Return which of `cells` occur as a pair of `code` and `session`, two columns of equal length."""
    position = code_positions(code, cells.codes)
    day = session.to_numpy(zero_copy_only=False) if isinstance(session, pa.Array) else session.to_numpy()
    known = (position >= 0) & ~np.isnat(day.astype("datetime64[D]"))
    stride = max(len(cells.codes), 1)
    named = day[known].astype("datetime64[D]").astype(np.int64) * stride + position[known]
    mask: Mask = np.isin(cells.session.astype(np.int64) * stride + cells.index, named)
    return mask


def suspended(cells: Cells, frame: pa.Table) -> Mask:
    """Return which of `cells` a frame of `suspend_d` calls suspended for the whole session.

    A halt within the session (`suspend_timing` given) leaves a bar behind, so it explains nothing.
    """
    whole = flags(pc.equal(pc.fill_null(frame["suspend_timing"], ""), ""))
    stopped = flags(pc.equal(frame["suspend_type"], "S"))
    rows = frame.filter(pa.array(whole & stopped))
    return named_by(cells, rows["ts_code"], days(rows["trade_date"]))


def doubtful(cells: Cells, rejects: Rejects) -> Mask:
    """Return which of `cells` a rejected row may have been about: of those no row is missing.

    A reject without a readable code may be about any code, one without a readable day about any session.
    """
    code = rejects.table["code"]
    day = pc.local_timestamp(rejects.table["timestamp"].cast(pa.timestamp("ms", EXCHANGE_ZONE))).cast(pa.date32())
    undated = _positions(cells, code.filter(pc.is_null(day)))
    nameless = pc.or_(pc.is_null(code), pc.equal(pc.fill_null(code, ""), ""))
    anyone = day.filter(nameless)
    mask: Mask = (
        named_by(cells, code, day)
        | np.isin(cells.index, undated)
        | np.isin(cells.session, anyone.to_numpy().astype("datetime64[D]"))
    )
    mask |= anyone.null_count > 0
    return mask


def _positions(cells: Cells, code: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return the positions in `cells.codes` of the codes in a column; those not among them are left out."""
    position = np.unique(code_positions(code, cells.codes))
    return position[position >= 0]


def published_without(cells: Cells, batch: BarBatch, asked: str, version: int) -> Absences:
    """Return NO_ROW for the cells that `batch` shows to be published: their session, or a later one, has rows.

    A vendor publishes sessions in order. Of a session after the newest one with rows nothing is said.
    """
    sessions = batch.table["session"].to_numpy().astype("datetime64[D]")
    if not len(sessions):
        return Absences.empty()
    newest = sessions.max()
    told = chosen(cells, cells.session <= newest)
    spoken, which = np.unique(told.session, return_inverse=True)
    texts = [
        f"{asked} has {count:,} rows of {day}, none of this code"
        if count
        else f"{asked} has rows up to {newest}, not this"
        for day, count in zip(spoken.tolist(), _counts(sessions, spoken), strict=True)
    ]
    evidence = pa.DictionaryArray.from_arrays(pa.array(which, pa.int32()), pa.array(texts, pa.string()))
    return absences(told, AbsenceReason.NO_ROW, evidence, version)


def _counts(sessions: Sessions, spoken: Sessions) -> list[int]:
    """Return how many of `sessions` equal each one of `spoken`."""
    ordered = np.sort(sessions)
    counts = np.searchsorted(ordered, spoken, side="right") - np.searchsorted(ordered, spoken, side="left")
    return [int(count) for count in counts]


def absences(cells: Cells, reason: AbsenceReason, evidence: str | pa.Array, version: int) -> Absences:
    """Return one statement per cell; `evidence` is one text for all, or a column of texts."""
    count = len(cells)
    if not count:
        return Absences.empty()
    columns = {
        "code": pa.DictionaryArray.from_arrays(pa.array(cells.index, pa.int32()), pa.array(cells.codes, pa.string())),
        "session": pa.array(cells.session),
        "reason": constant(reason.value, count),
        "evidence": constant(evidence, count) if isinstance(evidence, str) else evidence,
        "source": constant(SOURCE, count),
        "version": versions(version, count),
    }
    return Absences(cast_table("absences", pa.table(columns), ABSENCE_SCHEMA))
