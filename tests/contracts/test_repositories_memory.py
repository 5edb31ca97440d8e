"""The repository contracts, for the stores in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from contracts.absence_repository import AbsenceRepositoryContract
from contracts.bar_repository import BarRepositoryContract
from contracts.factor_revision_repository import FactorRevisionRepositoryContract
from contracts.outbox import OutboxContract
from contracts.quality_repository import QualityRepositoryContract
from contracts.reference_repository import ReferenceRepositoryContract
from contracts.revision_repository import RevisionRepositoryContract
from contracts.version_clock import VersionClockContract
from ginkgo_data.adapters.memory import outbox as memory_outbox
from ginkgo_data.adapters.memory.absence_repository import InMemoryAbsenceRepository
from ginkgo_data.adapters.memory.bar_repository import InMemoryBarRepository
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.memory.factor_revision_repository import InMemoryFactorRevisionRepository
from ginkgo_data.adapters.memory.outbox import InMemoryOutbox
from ginkgo_data.adapters.memory.quality_repository import InMemoryQualityRepository
from ginkgo_data.adapters.memory.reference_repository import InMemoryReferenceRepository
from ginkgo_data.adapters.memory.revision_repository import InMemoryRevisionRepository
from ginkgo_data.adapters.memory.version_clock import InMemoryVersionClock
from ginkgo_data.adapters.system.clock import SystemClock


class TestInMemoryBarRepository(BarRepositoryContract):
    @pytest.fixture
    def repository(self) -> InMemoryBarRepository:
        return InMemoryBarRepository()

    @pytest.fixture
    def reopen(self, repository: InMemoryBarRepository) -> Callable[[], InMemoryBarRepository]:
        """A store in memory has one instance; everybody is handed the same."""
        return lambda: repository


class TestInMemoryAbsenceRepository(AbsenceRepositoryContract):
    @pytest.fixture
    def repository(self) -> InMemoryAbsenceRepository:
        return InMemoryAbsenceRepository()


class TestInMemoryRevisionRepository(RevisionRepositoryContract):
    @pytest.fixture
    def repository(self) -> InMemoryRevisionRepository:
        return InMemoryRevisionRepository()


class TestInMemoryFactorRevisionRepository(FactorRevisionRepositoryContract):
    @pytest.fixture
    def repository(self) -> InMemoryFactorRevisionRepository:
        return InMemoryFactorRevisionRepository()


class TestInMemoryReferenceRepository(ReferenceRepositoryContract):
    @pytest.fixture
    def repository(self) -> InMemoryReferenceRepository:
        return InMemoryReferenceRepository(SystemClock())


class TestInMemoryQualityRepository(QualityRepositoryContract):
    @pytest.fixture
    def repository(self) -> InMemoryQualityRepository:
        return InMemoryQualityRepository()


class TestInMemoryOutbox(OutboxContract):
    @pytest.fixture
    def quality(self) -> InMemoryQualityRepository:
        return InMemoryQualityRepository()

    @pytest.fixture
    def outbox(self, quality: InMemoryQualityRepository) -> InMemoryOutbox:
        return InMemoryOutbox(quality)

    @pytest.fixture
    def three_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory_outbox, "AT_ONCE", 3)


class TestInMemoryVersionClock(VersionClockContract):
    @pytest.fixture
    def clock(self) -> InMemoryVersionClock:
        return InMemoryVersionClock(SystemClock())


def test_versions_follow_the_clock_they_were_given() -> None:
    clock = ManualClock(datetime(2024, 1, 2, 15, tzinfo=ZoneInfo("Asia/Shanghai")))
    versions = InMemoryVersionClock(clock)
    first = versions.version()
    assert first == 1_704_178_800_000_000
    assert versions.version() == first + 1
    clock.advance(1.5)
    assert versions.version() == first + 1_500_000
