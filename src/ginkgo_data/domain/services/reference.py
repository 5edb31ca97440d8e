# Upstream: domain.services.{asked_codes, collector, session_job}, entrypoints.{container, dispatch}
# Downstream: domain.model, ports.{clock, reference_repository, reference_source, version_clock}
# Role: Use cases: refresh the universe of securities and the stored trading calendar
"""Reference data is asked whole and stored whole; a vendor that does not answer changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ginkgo_data.domain.model.collection import SyncResult
from ginkgo_data.domain.model.commands import SyncSecurities
from ginkgo_data.domain.model.fetch import ProvenEmpty, Unknown
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.ports.clock import Clock
from ginkgo_data.ports.reference_repository import ReferenceRepository
from ginkgo_data.ports.reference_source import ReferenceSource
from ginkgo_data.ports.version_clock import VersionClock

UNKNOWN_CODE_REFRESH_HOURS = 10 / 60
"""A code that nobody knows refreshes the universe, at most this often for the fleet."""

CALENDAR_AHEAD = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class SecuritiesSync:
    """Refresh the stored universe from the vendor."""

    source: ReferenceSource
    repository: ReferenceRepository
    versions: VersionClock
    clock: Clock

    def sync(self, command: SyncSecurities) -> SyncResult:
        """Ask for all securities and store them, unless `command.max_age_hours` says they are young enough.

        Raises `StoreUnavailable`; vendor trouble is in the result.
        """
        if command.max_age_hours is not None and self._is_younger(command.max_age_hours):
            return SyncResult(fresh=True, notes=("the universe was refreshed recently",))
        answer = self.source.securities(command.market, self.versions.version())
        if isinstance(answer, Unknown):
            return SyncResult(calls=answer.calls, unknown=answer)
        if isinstance(answer, ProvenEmpty):
            return SyncResult(calls=answer.calls, notes=("the vendor has no securities of that market",))
        self.repository.write_securities(answer.batch)
        return SyncResult(rows=len(answer.batch), calls=answer.calls)

    def _is_younger(self, hours: float) -> bool:
        refreshed = self.repository.securities_refreshed_at()
        return refreshed is not None and self.clock.now() - refreshed < timedelta(hours=hours)


@dataclass(frozen=True, slots=True)
class TradingCalendarSync:
    """Refresh the stored trading calendar from the vendor."""

    source: ReferenceSource
    repository: ReferenceRepository
    versions: VersionClock
    clock: Clock

    def sync(self) -> SyncResult:
        """Ask for every day from the first session to a year ahead, and store what the vendor knows.

        Raises `StoreUnavailable`; vendor trouble is in the result.
        """
        ahead = self.clock.now().date() + CALENDAR_AHEAD
        answer = self.source.session_days(FIRST_SESSION, ahead, self.versions.version())
        if isinstance(answer, Unknown):
            return SyncResult(calls=answer.calls, unknown=answer)
        if isinstance(answer, ProvenEmpty):
            return SyncResult(
                calls=answer.calls, notes=("this source knows no trading calendar; the present one stays",)
            )
        self.repository.write_session_days(answer.batch)
        return SyncResult(rows=len(answer.batch), calls=answer.calls)
