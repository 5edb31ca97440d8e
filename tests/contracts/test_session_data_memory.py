"""The contracts of factors and ticks, in memory."""

from __future__ import annotations

import pytest

from contracts.adjustment_repository import AdjustmentRepositoryContract
from contracts.tick_repository import TickRepositoryContract
from ginkgo_data.adapters.memory.adjustment_repository import InMemoryAdjustmentRepository
from ginkgo_data.adapters.memory.tick_repository import InMemoryTickRepository


class TestInMemoryAdjustmentRepository(AdjustmentRepositoryContract):
    @pytest.fixture
    def repository(self) -> InMemoryAdjustmentRepository:
        return InMemoryAdjustmentRepository()


class TestInMemoryTickRepository(TickRepositoryContract):
    @pytest.fixture
    def repository(self) -> InMemoryTickRepository:
        return InMemoryTickRepository()
