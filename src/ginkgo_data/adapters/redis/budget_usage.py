# Upstream: adapters.redis.call_budget
# Downstream: adapters.redis.{budget_scripts, client, local_share}
# Role: What Redis holds of the call budgets, for people who look; nothing is changed by looking
"""The call budgets as seen from outside, by Redis' clock."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ginkgo_data.adapters.redis.budget_scripts import PRESENT
from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.adapters.redis.local_share import MINUTE

_MICROSECONDS = 1_000_000
_PAGE = 500

_USAGE = (
    PRESENT
    + """
-- KEYS windows; ARGV minute. Returns how many calls each has granted in the last minute.
local before, counts = present() - tonumber(ARGV[1]), {}
for i, window in ipairs(KEYS) do
  counts[i] = 0
  for _, granted in ipairs(redis.call('LRANGE', window, 0, -1)) do
    if tonumber(granted) > before then counts[i] = counts[i] + 1 end
  end
end
return counts
"""
)

_LEFT = (
    PRESENT
    + """
-- KEYS strings that expire. Returns for how long each will still be there.
local left = {}
for i, key in ipairs(KEYS) do left[i] = lasting(key) end
return left
"""
)


_LIMITS = """
-- KEYS learned limits. Returns each.
local limits = {}
for i, key in ipairs(KEYS) do limits[i] = tonumber(redis.call('GET', key) or '0') end
return limits
"""


def calls_granted(client: RedisClient, prefix: str) -> Mapping[str, int]:
    """Return the calls of the last minute by budget key (the name without `prefix`). Raises `BrokerUnavailable`."""
    return _read(client, "usage of the call budgets", prefix, _USAGE, [int(MINUTE * _MICROSECONDS)])


def closed_for(client: RedisClient, prefix: str) -> Mapping[str, float]:
    """Return the seconds left of the closings by budget key. Raises `BrokerUnavailable`."""
    left = _read(client, "closings of the call budgets", prefix, _LEFT, [])
    return {key: microseconds / _MICROSECONDS for key, microseconds in left.items()}


def limits_learned(client: RedisClient, prefix: str) -> Mapping[str, int]:
    """Return the limits that the vendor named, calls a minute by budget key. Raises `BrokerUnavailable`."""
    return _read(client, "limits of the call budgets", prefix, _LIMITS, [])


def _read(client: RedisClient, what: str, prefix: str, script: str, args: list[float | str]) -> dict[str, int]:
    """Return what `script` says of the keys that begin with `prefix`, by the rest of their name, zeros left out."""
    pattern = re.sub(r"([\\*?\[\]])", r"\\\1", prefix) + "*"
    found = client.call(what, lambda redis: sorted(set(redis.scan_iter(pattern, _PAGE))))
    names = [name.decode() for name in found]
    numbers: dict[str, int] = {}
    for at in range(0, len(names), _PAGE):
        page = names[at : at + _PAGE]
        values = client.run(what, script, page, args)
        numbers |= {name.removeprefix(prefix): value for name, value in zip(page, values, strict=True) if value > 0}
    return numbers
