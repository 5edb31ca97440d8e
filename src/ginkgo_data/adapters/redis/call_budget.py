# Upstream: entrypoints.{opening, status}
# Downstream: adapters.redis, domain.model.errors, ports.clock
# Role: Port call_budget in Redis: one sliding minute per key for the fleet, a share of it while Redis is away
"""The fleet's quota."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping

from ginkgo_data.adapters.redis.budget_notes import BudgetNotes, Known, milliseconds
from ginkgo_data.adapters.redis.budget_scripts import ANSWERED, CLOSE, DAY, RECORD, RETURNED, TAKE, WATCH, TakeReply
from ginkgo_data.adapters.redis.budget_usage import calls_granted, closed_for, limits_learned
from ginkgo_data.adapters.redis.calls_under_way import CallsUnderWay
from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.adapters.redis.local_share import MINUTE, LocalShare
from ginkgo_data.domain.model.errors import BrokerUnavailable
from ginkgo_data.ports.clock import Clock

logger = logging.getLogger(__name__)

KEY_PREFIX = "ginkgo_data:call_budget"

_MICROSECONDS = 1_000_000


class RedisCallBudget:
    """Grants calls by a window that all workers share; never raises because of Redis.

    What is not known counts as used up. A worker that cannot ask Redis, or is told that it does not know the
    last minute, first grants nothing for a minute (others may have used the whole limit just before), then
    `fallback_share` of the limit (1 / size of the fleet), until Redis knows a whole minute again. Calls that
    it grants itself are counted in Redis as soon as that answers. The limit is kept while Redis is away for
    all; a worker that alone is cut off adds its share to what the others use.

    Closings, probes and learned limits are the fleet's. While Redis is away a worker goes by what it heard
    last: each may then send a probe of its own. What was told meanwhile, and what an emptied Redis has
    forgotten, is handed over with the next question about the same key.
    """

    def __init__(self, client: RedisClient, clock: Clock, fallback_share: float, key_prefix: str = KEY_PREFIX) -> None:
        self._client = client
        self._clock = clock
        self._prefix = key_prefix
        self._local = LocalShare(fallback_share)
        self._notes = BudgetNotes()
        self._under_way = CallsUnderWay()
        self._alone_since: float | None = None
        self._unshared: dict[str, float] = {}
        self._heard: dict[str, tuple[float, int, int]] = {}
        """Key -> when Redis last said how many calls were left, of how many."""
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
            with self._lock:
                self._heard.pop(key, None)
            return _rounded(self._take_alone(key, per_minute, self._client.retry_in))
        if reply.granted_at:
            with self._lock:
                self._under_way.granted(key, reply.granted_at)
        if reply.wait or not reply.unknown_for:
            return _rounded(reply.wait)
        delay = self._take_alone(key, per_minute, reply.unknown_for)
        return _rounded(delay or self._count(key))

    def returned(self, key: str) -> None:
        """Count the oldest call of `key` that is under way here from now on; without Redis' help if it is away."""
        with self._lock:
            began = self._under_way.returned(key)
            if isinstance(began, float):
                self._local.move(key, began, self._clock.monotonic())
        if not isinstance(began, int):
            return
        try:
            self._client.run(f"return of {key}", RETURNED, self._keys(key, "window"), [began])
        except BrokerUnavailable as error:
            logger.debug("a call counts from its grant: %s", error)

    def close_until_open(self, key: str, seconds: float) -> None:
        """Grant no call of `key` for `seconds`, then one as a probe; a shorter closing opens no longer one early."""
        if seconds <= 0:
            return
        with self._lock:
            now = self._clock.monotonic()
            self._notes.close(key, now + seconds)
            told = Known(self._notes.known(key, now).closing, None)
        try:
            self._client.run(
                f"closing of {key}", CLOSE, self._keys(key, "closed", "probe", "asked"), [milliseconds(seconds)]
            )
        except BrokerUnavailable as error:
            logger.debug("closed here only, the others hear of it with the next call: %s", error)
            return
        with self._lock:
            self._notes.share(key, told)

    def answered(self, key: str) -> None:
        """End the probing of `key` for the fleet; asks Redis only if a call of this worker was the probe.

        Nobody else's answer can count: after a closing no other call has been granted.
        """
        with self._lock:
            if not self._notes.answered(key, self._clock.monotonic()):
                return
        try:
            self._client.run(f"answer of {key}", ANSWERED, self._keys(key, "closed", "probe", "asked"), [])
        except BrokerUnavailable as error:
            logger.debug("known here only, the others send a probe of their own: %s", error)

    def learn(self, key: str, per_minute: int) -> None:
        """Hold the fleet to `per_minute` calls of `key` for a day. Raises `ValueError` when that is below 1."""
        if per_minute < 1:
            raise ValueError(f"calls per minute must be at least 1, found {per_minute}")
        with self._lock:
            now = self._clock.monotonic()
            self._notes.learn(key, per_minute, now)
            told = Known(None, self._notes.known(key, now).limit)
        (name,) = self._keys(key, "learned")
        try:
            self._client.call(f"limit of {key}", lambda redis: redis.set(name, per_minute, px=milliseconds(DAY)))
        except BrokerUnavailable as error:
            logger.debug("learned here only, the others hear of it with the next call: %s", error)
            return
        with self._lock:
            self._notes.share(key, told)

    def left(self) -> Mapping[str, int]:
        """Return the calls left by key, as this worker last heard; all of them where that was a minute ago."""
        with self._lock:
            now = self._clock.monotonic()
            return {key: free if now - at < MINUTE else limit for key, (at, free, limit) in self._heard.items()}

    def usage(self) -> Mapping[str, int]:
        """Return by key how many calls Redis has granted in the last minute, keys with none left out.

        Raises `BrokerUnavailable`: who looks wants to know that nothing can be seen.
        """
        return calls_granted(self._client, f"{self._prefix}:window:")

    def closings(self) -> Mapping[str, float]:
        """Return for how many seconds the closed keys stay closed. Raises `BrokerUnavailable`."""
        return closed_for(self._client, f"{self._prefix}:closed:")

    def limits(self) -> Mapping[str, int]:
        """Return the calls a minute of keys whose limit the vendor has named. Raises `BrokerUnavailable`."""
        return limits_learned(self._client, f"{self._prefix}:learned:")

    def _ask(self, key: str, per_minute: int) -> TakeReply:
        """Ask Redis, telling it what it cannot know. Raises `BrokerUnavailable`."""
        with self._lock:
            now = self._clock.monotonic()
            known = self._notes.known(key, now)
            unshared = self._unshared.get(key)
        doubtful = unshared is not None and unshared > now - MINUTE
        grace = self._client.blind_time
        keys = [f"{self._prefix}:known", *self._keys(key, "window", "closed", "doubt", "probe", "asked", "learned")]
        args = [per_minute, int(MINUTE * _MICROSECONDS), int(grace * _MICROSECONDS), int(doubtful)]
        reply = TakeReply.of(self._client.run(f"call of {key}", TAKE, keys, [*args, *known.arguments(now)]))
        with self._lock:
            self._notes.hear(key, known, reply, now)
            if reply.free >= 0:
                self._heard[key] = (now, reply.free, min(per_minute, reply.limit or per_minute))
            else:
                self._heard.pop(key, None)
            if self._unshared.get(key) == unshared:
                self._unshared.pop(key, None)
            if not reply.unknown_for:
                self._alone_since = None
        return reply

    def _take_alone(self, key: str, per_minute: int, ask_again_in: float) -> float:
        """Grant one call from this worker's share, or return the seconds until Redis or the share may grant one."""
        with self._lock:
            now = self._clock.monotonic()
            if self._alone_since is None:
                self._alone_since = now
            wait = self._notes.wait(key, now)
            quiet = self._alone_since + MINUTE - now
            if quiet > 0:
                return max(min(quiet, ask_again_in), wait, 0.001)
            if wait > 0:
                return wait
            limit = self._notes.known(key, now).limit
            mine = per_minute if limit is None else min(per_minute, limit.per_minute)
            delay = self._local.take(key, mine, now)
            if not delay:
                self._unshared[key] = now
                self._notes.grant(key, now)
                self._under_way.granted(key, now)
            return delay

    def _count(self, key: str) -> float:
        """Tell Redis of a call granted here; if it cannot hear that, the next question says so.

        Returns 0.0, or the wait for another worker's probe: then the call is not granted after all.
        """
        with self._lock:
            granted = self._unshared.get(key)
            probing = self._notes.probing(key)
        try:
            args = [int(MINUTE * _MICROSECONDS), int(probing)]
            (wait,) = self._client.run(f"count of {key}", RECORD, self._keys(key, "window", "asked"), args)
        except BrokerUnavailable:
            return 0.0
        with self._lock:
            if self._unshared.get(key) == granted:
                self._unshared.pop(key, None)
            if wait:
                self._notes.end_probe(key)
        return wait / _MICROSECONDS

    def _keys(self, key: str, *parts: str) -> list[str]:
        return [f"{self._prefix}:{part}:{key}" for part in parts]


def _rounded(seconds: float) -> float:
    """Return `seconds` rounded up to 1 ms, so that the wait is long enough where seconds are not exact."""
    return math.ceil(seconds * 1000) / 1000
