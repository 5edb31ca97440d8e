# Upstream: entrypoints.reloading
# Downstream: entrypoints.{container, settings, settings_changes}, dependency_injector
# Role: One container after another: a part is kept as long as no setting that it was made of changes
"""Generations of a worker's parts.

A new configuration is a new container. What is expensive, remembers something or is connected is handed on from
the container before it while the settings under its prefixes are the same; everything else is made anew.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from dependency_injector import providers

from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.settings import Settings
from ginkgo_data.entrypoints.settings_changes import Change

log = logging.getLogger(__name__)

STORE = ("clickhouse.",)
REDIS = ("redis.",)
PRODUCER = ("kafka.",)
STREAM = (*PRODUCER, "worker.topics", "worker.group_id", "worker.auto_offset_reset", "worker.max_poll_records")

KEPT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "clock": (),
        "node_id": (),
        "reload": (),
        "metrics": (),
        "spans": ("tracing.",),
        "store": STORE,
        "clock_store": STORE,
        "version_clock": STORE,
        "trading_calendar": STORE,
        "ginkgo_sweep": STORE,
        "pool": ("worker.concurrency",),
        "redis": REDIS,
        "call_budget": (*REDIS, "worker.fleet_size"),
        "call_lease": (*REDIS, "worker.group_id"),
        "started_marks": (*REDIS, "worker.group_id"),
        "alert_memory": (*REDIS, "worker.group_id"),
        "heartbeats": (*REDIS, "heartbeat.key_prefix"),
        "tushare": (*REDIS, "worker.fleet_size", "sources.tushare."),
        "archive": ("sources.files",),
        "topics": STREAM,
        "producer": PRODUCER,
        "broker": ("kafka.bootstrap_servers", "kafka.work_topic"),
        "work_queue": PRODUCER,
        "dead_letters": PRODUCER,
        "notifications": PRODUCER,
        "telling": (*STORE, *PRODUCER),
    }
)
"""Parts that are handed on -> prefixes of the settings that they are made of."""

RESOURCES = ("spans", "tushare", "producer", "redis", "clock_store", "store", "pool")
"""Parts that must be closed, each before those it uses."""


class Generations:
    """The containers of one worker. Owned by one thread at a time."""

    def __init__(self, first: Container) -> None:
        self._origin: dict[str, providers.Provider[Any]] = {name: getattr(first, name) for name in KEPT}
        """Who makes a part that is in use: always the first container that had it, never a chain of them."""
        self.current = first

    def following(self, settings: Settings, changes: Iterable[Change]) -> Container:
        """Return a container of `settings`; nothing of it is made yet, and the present one goes on."""
        found = Container(settings=settings)
        for name in self._kept(changes):
            getattr(found, name).override(_handed_on(self._origin[name]))
        return found

    def rebuilt(self, changes: Iterable[Change]) -> tuple[str, ...]:
        """Return the names of the connected parts that `changes` make anew; ``stream`` is the group's member."""
        kept = self._kept(changes)
        stream = () if "topics" in kept else ("stream",)
        return tuple(sorted((*stream, *(name for name in RESOURCES if name not in kept))))

    def adopt(self, found: Container, changes: Iterable[Change]) -> None:
        """Make `found` the present one and close what it has made anew in the one before."""
        kept = self._kept(changes)
        left = {name: self._origin[name] for name in KEPT if name not in kept}
        for name in left:
            self._origin[name] = getattr(found, name)
        before, self.current = self.current, found
        _close(left)
        self._forget(before, *left.values())

    def drop(self, found: Container, changes: Iterable[Change]) -> None:
        """Close what `found` has opened for itself; the present one goes on."""
        kept = self._kept(changes)
        _close({name: getattr(found, name) for name in KEPT if name not in kept})
        self._forget(found)

    def _forget(self, container: Container, *more: providers.Provider[Any]) -> None:
        """Let go of what `container` has made, and what is kept in `more`, but for what is in use.

        A container lives on for the sake of one part that is kept, and clients of libraries end with their last
        reference: the others must not wait for that.
        """
        used = {id(provider) for provider in self._origin.values()}
        for provider in (*container.providers.values(), *more):
            if id(provider) not in used:
                for singleton in _singletons(provider):
                    singleton.reset()

    def close(self) -> None:
        """Close everything that is in use."""
        _close(self._origin)

    def _kept(self, changes: Iterable[Change]) -> frozenset[str]:
        keys = [change.key for change in changes]
        return frozenset(
            name for name, prefixes in KEPT.items() if not any(key.startswith(prefixes) for key in keys if prefixes)
        )


def _handed_on(origin: providers.Provider[Any]) -> providers.Provider[Any]:
    """Return a provider that asks `origin`. One that overrides another itself would keep its whole container alive."""
    return providers.Callable(lambda: origin())


def _singletons(provider: providers.Provider[Any]) -> Iterator[providers.BaseSingleton[Any]]:
    """Yield `provider` if it keeps what it makes, and what a selector selects from."""
    if isinstance(provider, providers.BaseSingleton):
        yield provider
    elif isinstance(provider, providers.Selector):
        for choice in provider.providers.values():
            yield from _singletons(choice)


def _close(parts: Mapping[str, providers.Provider[Any]]) -> None:
    for name in RESOURCES:
        provider = parts.get(name)
        if not isinstance(provider, providers.Resource) or not provider.initialized:
            continue
        try:
            provider.shutdown()
        except Exception:  # one client that does not close must not keep the others open
            log.exception("%s could not be closed", name)
