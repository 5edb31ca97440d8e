# Upstream: entrypoints.reloading
# Downstream: adapters.kafka.probe, adapters.tushare.apis, domain.model, entrypoints.{container, health_server}
# Role: New addresses and credentials tried with clients of their own, before anything runs on them
"""A trial of what a new configuration connects anew. Everything it opens belongs to the container tried."""

from __future__ import annotations

from collections.abc import Collection

from ginkgo_data.adapters.kafka.probe import probe
from ginkgo_data.adapters.tushare.apis import TRADE_CAL
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.fetch import Unknown, UnknownReason
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.health_server import check_place

PATIENCE = 5.0
"""Seconds for a broker to answer."""

_ACCOUNT_KEYS = frozenset({"sources.tushare.base_url", "sources.tushare.token"})
_NO_ACCOUNT = frozenset({UnknownReason.BAD_TOKEN, UnknownReason.NO_PERMISSION, UnknownReason.UNREACHABLE})
"""Replies that speak of the address or the account, and not of a passing trouble of the vendor."""
_ANY_DAY = {"exchange": "SSE", "start_date": "20240102", "end_date": "20240102"}


def try_connections(found: Container, rebuilt: Collection[str], changed: Collection[str]) -> None:
    """Open what is `rebuilt` in `found` and ask it something; `changed` are the keys that differ.

    Raises `BrokerUnavailable`, `StoreUnavailable`, `SchemaMismatch` or `ConfigurationError`: the first that fails.
    """
    settings = found.settings()
    if "health.port" in changed:
        check_place(settings.health.host, settings.health.port)
    if "stream" in rebuilt and not settings.kafka.in_memory:
        probe(found.kafka_config(), PATIENCE)
    if "redis" in rebuilt and not settings.redis.in_memory:
        found.redis().call("trial of the new settings", lambda redis: redis.ping())
    if set(rebuilt) - {"spans"}:
        found.prepare()()
    if "spans" in rebuilt:
        found.spans()
    if "tushare" in settings.sources.bars and not _ACCOUNT_KEYS.isdisjoint(changed):
        reply = found.tushare().ask(TRADE_CAL, _ANY_DAY)
        if isinstance(reply, Unknown) and reply.reason in _NO_ACCOUNT:
            raise ConfigurationError(f"sources.tushare: {reply.detail}")
