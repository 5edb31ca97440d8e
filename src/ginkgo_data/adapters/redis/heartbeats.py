# Upstream: entrypoints.{container, contracts, operator_parts}
# Downstream: adapters.redis.client, domain.model.{errors, worker}
# Role: Port heartbeats in Redis: one key per node, with an end
"""Heartbeats where upstream's readers look for them: `heartbeat:data_worker:{node_id}`, one JSON each."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence

from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.worker import Heartbeat

logger = logging.getLogger(__name__)

KEY_PREFIX = "heartbeat:data_worker"
"""Upstream's."""

_PAGE = 500


class RedisHeartbeats:
    """Heartbeats under `{key_prefix}:{node_id}`, which Redis forgets.

    `encode` makes the JSON object of a heartbeat, `decode` reads it and raises `SchemaMismatch` for what is none.
    """

    def __init__(
        self,
        client: RedisClient,
        encode: Callable[[Heartbeat], Mapping[str, object]],
        decode: Callable[[Mapping[str, object]], Heartbeat],
        key_prefix: str = KEY_PREFIX,
    ) -> None:
        self._client = client
        self._encode = encode
        self._decode = decode
        self._prefix = key_prefix

    def beat(self, heartbeat: Heartbeat, ttl: float) -> None:
        """Replace the node's heartbeat; it is gone after `ttl` seconds. Raises `BrokerUnavailable`."""
        value = json.dumps(self._encode(heartbeat), ensure_ascii=False, allow_nan=False)
        key, milliseconds = self._key(heartbeat.node_id), max(round(ttl * 1000), 1)
        self._client.call(f"heartbeat {key}", lambda redis: redis.set(key, value, px=milliseconds))

    def clear(self, node_id: str) -> None:
        """Forget the node's heartbeat; one that is not there is no error. Raises `BrokerUnavailable`."""
        key = self._key(node_id)
        self._client.call(f"end of heartbeat {key}", lambda redis: redis.delete(key))

    def alive(self) -> Sequence[Heartbeat]:
        """Return the heartbeats not yet forgotten, by node. Raises `BrokerUnavailable`.

        A value under the prefix that is no heartbeat is logged and left out: one strange neighbour must not
        hide all the others.
        """
        what = f"heartbeats {self._prefix}:*"
        pattern = re.sub(r"([\\*?\[\]])", r"\\\1", self._prefix) + ":*"
        names = self._client.call(what, lambda redis: sorted(set(redis.scan_iter(pattern, _PAGE))))
        if not names:
            return []
        values = self._client.call(what, lambda redis: redis.mget(names))
        beats = [self._read(name, value) for name, value in zip(names, values, strict=True) if value is not None]
        return sorted((beat for beat in beats if beat is not None), key=lambda beat: beat.node_id)

    def _read(self, key: bytes, value: bytes | str) -> Heartbeat | None:
        try:
            return self._decode(_json_object(value))
        except (ValueError, SchemaMismatch) as error:
            logger.warning("%s is left out: %s", key.decode(errors="replace"), error)
            return None

    def _key(self, node_id: str) -> str:
        return f"{self._prefix}:{node_id}"


def _json_object(value: bytes | str) -> dict[str, object]:
    message = json.loads(value)
    if not isinstance(message, dict):
        raise SchemaMismatch(f"a JSON object is expected, found {type(message).__name__}")
    return message
