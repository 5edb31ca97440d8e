# Upstream: entrypoints.container
# Downstream: adapters.redis.client, domain.model.errors
# Role: Port started_marks in Redis: a counter per delivery id that outlives its worker
"""What was being worked when a worker died, seen by the one that gets its records."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.domain.model.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

KEY_PREFIX = "ginkgo_data:started"

DAY_MS = 86_400_000
PAGE = 500
"""Ids of one call of Redis: it serves nobody else meanwhile."""

_COUNTS = """
-- KEYS marks. Returns their counts, 0 where there is none.
local counts = redis.call('MGET', unpack(KEYS))
for i = 1, #KEYS do counts[i] = tonumber(counts[i] or '0') end
return counts
"""

_BEGIN = """
-- KEYS marks; ARGV milliseconds for which each is kept
for _, key in ipairs(KEYS) do
  redis.call('INCR', key)
  redis.call('PEXPIRE', key, ARGV[1])
end
return {}
"""

_CLEAR = """
-- KEYS marks
redis.call('DEL', unpack(KEYS))
return {}
"""


class RedisStartedMarks:
    """Counts under `{key_prefix}:{delivery id}`, each forgotten a day after its latest beginning.

    Never raises because of Redis. What cannot be marked is worked all the same: a record that kills its worker
    while Redis is away is then known a death later.
    """

    def __init__(self, client: RedisClient, key_prefix: str = KEY_PREFIX) -> None:
        self._client = client
        self._prefix = key_prefix

    def counts(self, ids: Sequence[str]) -> Mapping[str, int]:
        """Return how often each of `ids` was begun and not cleared; ids that never were are left out."""
        found: dict[str, int] = {}
        try:
            for page, keys in self._pages(ids):
                counts = self._client.run(f"started marks of {len(page)}", _COUNTS, keys, [])
                found |= {one: count for one, count in zip(page, counts, strict=True) if count}
        except BrokerUnavailable as error:
            logger.debug("what was begun before is not known: %s", error)
        return found

    def begin(self, ids: Sequence[str]) -> None:
        """Count each of `ids` once more, one that is named twice only once; a count is forgotten after a day."""
        try:
            for page, keys in self._pages(ids):
                self._client.run(f"beginning of {len(page)}", _BEGIN, keys, [DAY_MS])
        except BrokerUnavailable as error:
            logger.debug("begun without a mark: %s", error)

    def clear(self, ids: Sequence[str]) -> None:
        """Forget `ids`; one that is not marked is no error."""
        try:
            for page, keys in self._pages(ids):
                self._client.run(f"end of {len(page)}", _CLEAR, keys, [])
        except BrokerUnavailable as error:
            logger.debug("ended, but the mark stays for a day at most: %s", error)

    def _pages(self, ids: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
        each = list(dict.fromkeys(ids))
        for at in range(0, len(each), PAGE):
            page = each[at : at + PAGE]
            yield page, [f"{self._prefix}:{one}" for one in page]
