"""A worker's own collector on a store: what the container wires, with a vendor and a calendar of the test's.

>>> with collecting(url, source, listed(codes), days, layout="ginkgo") as collector:
...     collector.collect(CollectBars(None, start=first, end=last))
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from dependency_injector import providers

from ginkgo_data.adapters.memory.reference_source import InMemoryReferenceSource
from ginkgo_data.adapters.memory.trading_calendar import InMemoryTradingCalendar
from ginkgo_data.domain.model.bars import Sessions
from ginkgo_data.domain.model.reference import Securities
from ginkgo_data.domain.services.collector import BarCollector
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.ports.bar_source import BarSource


@contextmanager
def collecting(
    url: str,
    source: BarSource,
    securities: Securities,
    sessions: Sessions,
    *,
    layout: str = "native",
    flush_rows: int | None = None,
    concurrency: int = 8,
) -> Iterator[BarCollector]:
    """Give the collector of a worker that is ready for its first round: schema checked, leftovers swept.

    `sessions` are the days of the calendar, ascending. `flush_rows`: rows of an insert, where not a worker's own.
    """
    given = {
        "kafka.bootstrap_servers": "memory://",
        "redis.url": "memory://",
        "clickhouse.url": url,
        "clickhouse.layout": layout,
        "worker.concurrency": concurrency,
        "sources.bars": ["files"],
        "sources.files.path": ".",
    }
    container = Container(settings=load_settings(None, {}, given, search=False).settings)
    container.plain_bar_source.override(providers.Object(source))
    container.plain_reference_source.override(providers.Object(InMemoryReferenceSource(securities)))
    container.trading_calendar.override(providers.Object(InMemoryTradingCalendar(sessions, sessions[-1].item())))
    try:
        container.prepare()()
        reference = container.reference_repository()
        if not len(reference.securities()):
            reference.write_securities(securities)
        collector = container.collector()
        limits = replace(collector.limits, flush_rows=flush_rows or collector.limits.flush_rows)
        yield replace(collector, limits=limits)
    finally:
        container.shutdown_resources()
