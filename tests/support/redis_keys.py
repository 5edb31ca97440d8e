"""Redis for one test: keys of its own, a clock that turns them with it, and what is kept there as seen from outside."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import redis

from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.redis.alert_memory import RedisAlertMemory
from ginkgo_data.adapters.redis.call_budget import RedisCallBudget
from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.adapters.redis.config import RedisConfig

AGE = """
local by = tonumber(ARGV[1])
local function earlier(time) return string.format('%.0f', tonumber(time) - by * 1000000) end
for _, key in ipairs(KEYS) do
  local left = redis.call('PTTL', key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'list' then
    for i = 0, redis.call('LLEN', key) - 1 do
      redis.call('LSET', key, i, earlier(redis.call('LINDEX', key, i)))
    end
  elseif kind == 'hash' then
    for _, field in ipairs({'since', 'silent_until'}) do
      local time = redis.call('HGET', key, field)
      if time then redis.call('HSET', key, field, earlier(time)) end
    end
  end
  if left >= 0 then redis.call('PEXPIRE', key, string.format('%.0f', left - by * 1000)) end
end
"""
"""Redis' clock cannot be turned forward; what it keeps can be moved back, which is the same to its readers."""


class RedisKeys:
    """Keys that no other test uses, seen by several workers whose clocks are one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.timeout = 1.0
        self.prefix = f"test:{secrets.token_hex(6)}"
        self.clock = ManualClock(datetime(2026, 8, 15, tzinfo=UTC))
        self.raw = redis.Redis.from_url(url, socket_timeout=5.0)
        self._clients: list[RedisClient] = []

    def client(self, url: str | None = None) -> RedisClient:
        """One more worker's client."""
        client = RedisClient(
            RedisConfig(url=url or self.url, timeout=self.timeout, connect_timeout=self.timeout), self.clock
        )
        self._clients.append(client)
        return client

    def budget(self, share: float = 0.5, url: str | None = None) -> RedisCallBudget:
        """One more worker's call budget."""
        return RedisCallBudget(self.client(url), self.clock, share, f"{self.prefix}:budget")

    def known_budget(self, share: float = 0.5) -> RedisCallBudget:
        """A budget on a server that has been watched for long enough."""
        budget = self.budget(share)
        budget.watch()
        self.pass_time(120.0)
        return budget

    def alert_memory(self, url: str | None = None) -> RedisAlertMemory:
        """One more worker's alert memory."""
        return RedisAlertMemory(self.client(url), self.clock, f"{self.prefix}:alert")

    def keys(self) -> list[bytes]:
        """The keys of this test."""
        return sorted(self.raw.scan_iter(f"{self.prefix}:*"))

    def pass_time(self, seconds: float) -> None:
        """Let time go by for the workers and, if it is there, for Redis."""
        self.clock.advance(seconds)
        self.age(seconds)

    def age(self, seconds: float) -> None:
        """Let time go by for Redis alone, if it is there."""
        try:
            keys = self.keys()
            self.raw.eval(AGE, len(keys), *keys, seconds)
        except (redis.ConnectionError, redis.TimeoutError):
            pass

    def close(self) -> None:
        """Delete the keys and close all connections."""
        try:
            if keys := self.keys():
                self.raw.delete(*keys)
        except (redis.ConnectionError, redis.TimeoutError):
            pass
        self.raw.close()
        for client in self._clients:
            client.close()
