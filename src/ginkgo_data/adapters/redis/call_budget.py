# Upstream: entrypoints.container
# Downstream: adapters.redis.{budget_scripts, client, local_share}, domain.model.errors, ports.clock
# Role: Port call_budget in Redis: one sliding minute per key for the fleet, a share of it while Redis is away
"""The fleet's quota."""

from __future__ import annotations

import logging
import math
import threading
from typing import NamedTuple

from ginkgo_data.adapters.redis.budget_scripts import CLOSE, RECORD, TAKE, WATCH
from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.adapters.redis.local_share import MINUTE, LocalShare
from ginkgo_data.domain.model.errors import BrokerUnavailable
from ginkgo_data.ports.clock import Clock

logger = logging.getLogger(__name__)

KEY_PREFIX = "ginkgo_data:call_budget"

_MICROSECONDS = 1_000_000


class _Reply(NamedTuple):
    """What Redis said, in seconds; both 0.0: the call is granted and counted."""

    wait: float
    unknown_for: float
    """Above 0: Redis does not know what was granted in the last minute; `wait` is then of a closing only."""


class RedisCallBudget:
    """Grants calls by a window that all workers share; never raises because of Redis.

    What is not known counts as used up. A worker that cannot ask Redis, or is told that it does not know the
    last minute, first grants nothing for a minute (others may have used the whole limit just before), then
    `fallback_share` of the limit (1 / size of the fleet), until Redis knows a whole minute again. Calls that
    it grants itself are counted in Redis as soon as that answers. The limit is kept while Redis is away for
    all; a worker that alone is cut off adds its share to what the others use.
    """

    def __init__(self, client: RedisClient, clock: Clock, fallback_share: float, key_prefix: str = KEY_PREFIX) -> None:
        self._client = client
        self._clock = clock
        self._prefix = key_prefix
        self._local = LocalShare(fallback_share)
        self._alone_since: float | None = None
        self._unshared: dict[str, float] = {}
        self._closed_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def watch(self) -> None:
        """Begin to know this server, if nobody has yet: a new one is of use a minute later. Call it at the start."""
        try:
            self._client.run("watch of the call budgets", WATCH, [f"{self._prefix}:known"], [])
        except BrokerUnavailable as error:
            logger.debug("the first call will watch instead: %s", error)

    def take(self, key: str, per_minute: int) -> float:
        """Grant one call of `key` (0.0), or return the seconds until one may be granted, rounded up to 1 ms.

        Raises `ValueError` when `per_minute` is below 1.
        """
        if per_minute < 1:
            raise ValueError(f"calls per minute must be at least 1, found {per_minute}")
        try:
            reply = self._ask(key, per_minute)
        except BrokerUnavailable:
            return _rounded(self._take_alone(key, per_minute, self._client.retry_in))
        if not reply.unknown_for:
            return _rounded(reply.wait)
        if reply.wait:
            return _rounded(reply.wait)
        delay = self._take_alone(key, per_minute, reply.unknown_for)
        if not delay:
            self._count(key)
        return _rounded(delay)

    def close_until_open(self, key: str, seconds: float) -> None:
        """Grant no call of `key` for `seconds`; a shorter closing never opens a longer one early."""
        with self._lock:
            until = self._clock.monotonic() + seconds
            self._closed_until[key] = max(until, self._closed_until.get(key, until))
        try:
            self._client.run(f"closing of {key}", CLOSE, [self._key("closed", key)], [_milliseconds(seconds)])
        except BrokerUnavailable as error:
            logger.debug("closed here only, the others hear of it with the next call: %s", error)

    def _ask(self, key: str, per_minute: int) -> _Reply:
        """Ask Redis, telling it what it cannot know. Raises `BrokerUnavailable`."""
        with self._lock:
            now = self._clock.monotonic()
            closing = max(self._closed_until.get(key, now) - now, 0.0)
            unshared = self._unshared.get(key)
        doubtful = unshared is not None and unshared > now - MINUTE
        grace = self._client.blind_time
        keys = [f"{self._prefix}:known", *(self._key(part, key) for part in ("window", "closed", "doubt"))]
        args = [per_minute, int(MINUTE * _MICROSECONDS), int(grace * _MICROSECONDS), _milliseconds(closing)]
        wait, unknown = self._client.run(f"call of {key}", TAKE, keys, [*args, int(doubtful)])
        with self._lock:
            if self._unshared.get(key) == unshared:
                self._unshared.pop(key, None)
            if unknown <= 0:
                self._alone_since = None
        return _Reply(wait / _MICROSECONDS, max(unknown, 0) / _MICROSECONDS)

    def _take_alone(self, key: str, per_minute: int, ask_again_in: float) -> float:
        """Grant one call from this worker's share, or return the seconds until Redis or the share may grant one."""
        with self._lock:
            now = self._clock.monotonic()
            if self._alone_since is None:
                self._alone_since = now
            closed = self._closed_until.get(key, now) - now
            quiet = self._alone_since + MINUTE - now
            if quiet > 0:
                return max(min(quiet, ask_again_in), closed, 0.001)
            if closed > 0:
                return closed
            delay = self._local.take(key, per_minute, now)
            if not delay:
                self._unshared[key] = now
            return delay

    def _count(self, key: str) -> None:
        """Tell Redis of a call granted here; if it cannot hear that, the next question says so."""
        with self._lock:
            granted = self._unshared.get(key)
        try:
            self._client.run(f"count of {key}", RECORD, [self._key("window", key)], [int(MINUTE * _MICROSECONDS)])
        except BrokerUnavailable:
            return
        with self._lock:
            if self._unshared.get(key) == granted:
                self._unshared.pop(key, None)

    def _key(self, part: str, key: str) -> str:
        return f"{self._prefix}:{part}:{key}"


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)


def _rounded(seconds: float) -> float:
    """Return `seconds` rounded up to 1 ms, so that the wait is long enough where seconds are not exact."""
    return math.ceil(seconds * 1000) / 1000
