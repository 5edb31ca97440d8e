# Upstream: entrypoints.container
# Downstream: adapters.redis.client, domain.model.{errors, quality}, ports.clock
# Role: Port alert_memory in Redis: the fleet tells an alert once; while Redis is away each worker remembers for itself
"""Which alerts have been told, by Redis' clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.domain.model.errors import BrokerUnavailable
from ginkgo_data.domain.model.quality import Alert, Severity
from ginkgo_data.ports.clock import Clock

KEY_PREFIX = "ginkgo_data:alert"
KEPT = 30 * 86_400.0
"""Seconds after its silence for which an alert that was told still has an end to tell."""

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}
_MICROSECONDS = 1_000_000

_TELL = """
-- KEYS alert; ARGV rank, cooldown, kept; then what this worker did while Redis was away: state, rank, silence left
-- Returns {1: news, rank told, silence left}; times are microseconds.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local function tell(rank, silence)
  redis.call('HSET', KEYS[1], 'rank', rank, 'silent_until', string.format('%.0f', now + silence))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (math.max(silence, 0) + ARGV[3]) / 1000))
end
local told = redis.call('HMGET', KEYS[1], 'rank', 'silent_until')
if ARGV[4] == 'resolved' then
  redis.call('DEL', KEYS[1])
  told = {false, false}
elseif ARGV[4] == 'told' then
  local rank, silence = tonumber(ARGV[5]), tonumber(ARGV[6])
  if told[1] then
    rank, silence = math.max(rank, tonumber(told[1])), math.max(silence, told[2] - now)
  end
  tell(rank, silence)
  told = {rank, now + silence}
end
local rank = tonumber(ARGV[1])
if told[1] and now < tonumber(told[2]) and rank <= tonumber(told[1]) then
  return {0, tonumber(told[1]), told[2] - now}
end
tell(rank, tonumber(ARGV[2]))
return {1, rank, tonumber(ARGV[2])}
"""

_SILENCE = """
-- KEYS alert; ARGV rank, cooldown, kept: what was told stays silent for `cooldown` microseconds, or longer
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local told = redis.call('HMGET', KEYS[1], 'rank', 'silent_until')
local rank = math.max(tonumber(ARGV[1]), tonumber(told[1] or ARGV[1]))
local silence = math.max(tonumber(ARGV[2]), (told[2] or now) - now)
redis.call('HSET', KEYS[1], 'rank', rank, 'silent_until', string.format('%.0f', now + silence))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (silence + ARGV[3]) / 1000))
return {rank, silence}
"""


@dataclass(frozen=True, slots=True)
class _Known:
    """What this worker knows of one alert, on its own clock."""

    rank: int
    silent_until: float
    state: str = ""
    """What Redis has still to be told: ``told`` or ``resolved``; empty: nothing."""


class RedisAlertMemory:
    """Remembers severity and end of the silence per alert; never raises because of Redis.

    While Redis is away an alert may be told once by each worker: better twice than never. What was told or
    ended meanwhile is handed to Redis with the next question about the same alert.
    """

    def __init__(self, client: RedisClient, clock: Clock, key_prefix: str = KEY_PREFIX) -> None:
        self._client = client
        self._clock = clock
        self._prefix = key_prefix
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def is_news(self, alert: Alert, cooldown: float) -> bool:
        """Whether `alert` is new, worse than what was told, or its silence is over; then it counts as told."""
        rank = _RANK[alert.severity]
        with self._lock:
            try:
                return self._ask(alert.key, rank, cooldown)
            except BrokerUnavailable:
                return self._decide_alone(alert.key, rank, cooldown)

    def silence(self, alert: Alert, cooldown: float) -> None:
        """Let the silence last for `cooldown` seconds from now; never shortens it."""
        rank = _RANK[alert.severity]
        with self._lock:
            now = self._clock.monotonic()
            known = self._known.get(alert.key, _Known(rank, now))
            longer = _Known(max(rank, known.rank), max(known.silent_until, now + cooldown), known.state)
            try:
                args = [rank, _micro(cooldown), _micro(KEPT)]
                self._client.run(f"silence of alert {alert.key}", _SILENCE, [self._key(alert.key)], args)
            except BrokerUnavailable:
                longer = replace(longer, state="told")
            self._known[alert.key] = longer

    def resolve(self, key: str) -> bool:
        """Forget an alert; True if it had been told, as far as Redis or, without it, this worker knows."""
        with self._lock:
            known = self._known.get(key)
            try:
                found = self._client.call(f"end of alert {key}", lambda redis: redis.delete(self._key(key)))
            except BrokerUnavailable:
                if known is None or known.state == "resolved":
                    return False
                self._known[key] = _Known(known.rank, known.silent_until, "resolved")
                return True
            self._known.pop(key, None)
            if known is None or not known.state:
                return bool(found)
            return known.state == "told"

    def _ask(self, key: str, rank: int, cooldown: float) -> bool:
        now = self._clock.monotonic()
        known = self._known.get(key, _Known(0, now))
        times = [_micro(cooldown), _micro(KEPT)]
        away: list[float | str] = [known.state, known.rank, _micro(known.silent_until - now)]
        news, told, silence = self._client.run(f"alert {key}", _TELL, [self._key(key)], [rank, *times, *away])
        self._known[key] = _Known(told, now + silence / _MICROSECONDS)
        return bool(news)

    def _decide_alone(self, key: str, rank: int, cooldown: float) -> bool:
        now = self._clock.monotonic()
        known = self._known.get(key)
        if known is not None and known.state != "resolved" and now < known.silent_until and rank <= known.rank:
            return False
        self._known[key] = _Known(rank, now + cooldown, "told")
        return True

    def _key(self, key: str) -> str:
        return f"{self._prefix}:{key}"


def _micro(seconds: float) -> int:
    return round(seconds * _MICROSECONDS)
