# Upstream: none
# Downstream: domain.model.{coverage, fetch, known_sessions, ticks}, ports.tick_source, numpy, pyarrow
# Role: Port tick_source in memory: a vendor whose lists of ticks are given
"""A vendor of ticks that answers from what it was given; it keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.domain.model.coverage import AbsenceReason, Absences
from ginkgo_data.domain.model.fetch import Answer, ProvenEmpty, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.domain.model.ticks import TickBatch
from ginkgo_data.ports.tick_source import TickCapabilities


class InMemoryTickSource:
    """Lists by code and session. Safe for several threads; `requests` can be read.

    A session without ticks is a suspension where it was told of one; else nothing proves that there were none.
    """

    def __init__(
        self,
        ticks: TickBatch,
        suspended: Sequence[tuple[str, date]] = (),
        first: date = FIRST_SESSION,
        capabilities: TickCapabilities | None = None,
    ) -> None:
        self._table = ticks.table
        self._suspended = frozenset(suspended)
        self._first = first
        self._capabilities = capabilities or TickCapabilities("memory")
        self._lock = threading.Lock()
        self._requests: list[tuple[str, date]] = []

    @property
    def capabilities(self) -> TickCapabilities:
        """What this source is."""
        return self._capabilities

    @property
    def requests(self) -> Sequence[tuple[str, date]]:
        """All calls so far."""
        with self._lock:
            return tuple(self._requests)

    def reach(self, codes: Sequence[str]) -> Mapping[str, tuple[date, date]]:
        """Return the same reach for every code: from the first session that this vendor keeps."""
        return dict.fromkeys(codes, (self._first, date.max))

    def ticks(self, code: str, session: date, version: int) -> Answer[TickBatch]:
        """Return the list of `code` on `session`, in the order given."""
        with self._lock:
            self._requests.append((code, session))
        own = pc.and_(pc.equal(self._table["code"].cast(pa.string()), code), pc.equal(self._table["session"], session))
        found = self._table.filter(own)
        if found.num_rows:
            versions = pa.array(np.full(found.num_rows, version, np.uint64))
            return Rows(TickBatch(found.set_column(found.schema.get_field_index("version"), "version", versions)))
        if (code, session) in self._suspended:
            told = [(code, session, AbsenceReason.SUSPENDED, "the vendor was told so")]
            return ProvenEmpty(Absences.of(told, self._capabilities.name, version))
        return Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, f"no ticks of {code} on {session}")
