"""Fleets of worker processes on the servers of the session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from support.vendor import MarketSpec, Vendor
from support.worker_fleet import Fleet, Servers, Settings

FleetMaker = Callable[..., Fleet]


@pytest.fixture
def fleets(kafka_server, redis_server, clickhouse_server, tmp_path) -> Iterator[FleetMaker]:
    """Make fleets, each with a vendor of its own: ``fleets(spec, settings, latency=, limit=, deadly=, partitions=)``.

    What a test left stopped or frozen runs again before the fleets are ended.
    """
    shared = (kafka_server, redis_server, clickhouse_server)
    with ExitStack() as stack:

        def heal() -> None:
            for server in shared:
                server.heal()

        def make(
            spec: MarketSpec,
            settings: Settings | None = None,
            *,
            latency: float = 0.0,
            limit: int | None = None,
            deadly: str | None = None,
            servers: Servers | None = None,
            **more: object,
        ) -> Fleet:
            vendor = stack.enter_context(Vendor(tmp_path, spec, latency=latency, limit=limit, deadly=deadly))
            found = servers or Servers(kafka_server, redis_server.url, clickhouse_server)
            fleet = stack.enter_context(Fleet(tmp_path, found, vendor, settings, **more))
            stack.callback(heal)
            return fleet

        yield make
