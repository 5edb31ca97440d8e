# Upstream: entrypoints.container
# Downstream: adapters.redis.client, domain.model.errors
# Role: Port call_lease in Redis: who of the fleet makes a call, with an end
"""Leases the fleet sees, by Redis' clock."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Iterator, Sequence

from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.domain.model.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

KEY_PREFIX = "ginkgo_data:call_lease"

PAGE = 500
"""Keys of one call of Redis: it serves nobody else meanwhile."""

_TAKE = """
-- KEYS leases; ARGV owner, milliseconds. Returns for each 1 (it is the owner's from now on) or 0 (another's).
local mine = {}
for i, key in ipairs(KEYS) do
  local holder = redis.call('GET', key)
  mine[i] = (not holder or holder == ARGV[1]) and 1 or 0
  if mine[i] == 1 then redis.call('SET', key, ARGV[1], 'PX', ARGV[2]) end
end
return mine
"""

_GIVE_BACK = """
-- KEYS leases; ARGV owner
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
return {}
"""


class RedisCallLease:
    """One worker's leases under `{key_prefix}:{key}`; the worker is this object, under a random name.

    Never raises because of Redis: while it is away everything asked for is granted, to everybody.
    """

    def __init__(self, client: RedisClient, key_prefix: str = KEY_PREFIX) -> None:
        self._client = client
        self._prefix = key_prefix
        self._owner = secrets.token_hex(8)

    def take(self, keys: Sequence[str], ttl: float) -> frozenset[str]:
        """Return those of `keys` that are this worker's for `ttl` seconds from now: free ones and its own."""
        refused: set[str] = set()
        milliseconds = max(math.ceil(ttl * 1000), 1)
        try:
            for page, names in self._pages(keys):
                mine = self._client.run(f"leases of {len(page)} calls", _TAKE, names, [self._owner, milliseconds])
                refused |= {key for key, granted in zip(page, mine, strict=True) if not granted}
        except BrokerUnavailable as error:
            logger.debug("calls are made without a lease: %s", error)
        return frozenset(keys) - refused

    def give_back(self, keys: Sequence[str]) -> None:
        """End the leases on `keys` that are this worker's; those of others stay."""
        try:
            for page, names in self._pages(keys):
                self._client.run(f"end of the leases of {len(page)} calls", _GIVE_BACK, names, [self._owner])
        except BrokerUnavailable as error:
            logger.debug("the leases end by themselves: %s", error)

    def _pages(self, keys: Sequence[str]) -> Iterator[tuple[Sequence[str], list[str]]]:
        for at in range(0, len(keys), PAGE):
            page = keys[at : at + PAGE]
            yield page, [f"{self._prefix}:{key}" for key in page]
