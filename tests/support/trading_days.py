"""Stored trading days, made from lists of dates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pyarrow as pa

from ginkgo_data.adapters.memory.reference_repository import InMemoryReferenceRepository
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.reference import SessionDays


def session_days(days: Iterable[date], opened: Iterable[date], exchange: str = "SSE", version: int = 1) -> SessionDays:
    """Return `days` as a vendor states them: open those in `opened`, closed the others."""
    stated, trading = list(days), set(opened)
    return SessionDays.of(
        pa.table(
            {
                "exchange": pa.array([exchange] * len(stated), pa.string()),
                "day": pa.array(stated, pa.date32()),
                "is_open": pa.array([day in trading for day in stated], pa.bool_()),
                "source": pa.array(["test"] * len(stated), pa.string()),
                "version": pa.array([version] * len(stated), pa.uint64()),
            }
        )
    )


def store_of(*stated: SessionDays) -> InMemoryReferenceRepository:
    """Return a store that keeps the days of `stated`."""
    store = InMemoryReferenceRepository(SystemClock())
    for days in stated:
        store.write_session_days(days)
    return store
