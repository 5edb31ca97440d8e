"""The contracts of factors and ticks, for Ginkgo's own tables."""

from __future__ import annotations

import pytest

from contracts.adjustment_repository import AdjustmentRepositoryContract
from contracts.tick_repository import TickRepositoryContract
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.ginkgo_adjustment_repository import GinkgoAdjustmentRepository
from ginkgo_data.adapters.clickhouse.ginkgo_tick_repository import GinkgoTickRepository
from support.ginkgo_tables import ginkgo_config, table

__all__ = ["ginkgo_config", "table"]


class TestGinkgoAdjustmentRepository(AdjustmentRepositoryContract):
    exact = (7.768, 1.012346, 108.031)

    @pytest.fixture
    def repository(self, table: ClickHouseClient) -> GinkgoAdjustmentRepository:
        return GinkgoAdjustmentRepository(table)


class TestGinkgoTickRepository(TickRepositoryContract):
    prices = (0.57, 1.13, 1900.12)
    volumes = (100.0, 0.0, 214_748_364_700.0)
    moments = (1704677400000, 1704677400000, 1704697200000)

    @pytest.fixture
    def repository(self, table: ClickHouseClient) -> GinkgoTickRepository:
        return GinkgoTickRepository(table)
