# Upstream: adapters.redis, entrypoints.{opening, operator_parts, status}
# Downstream: adapters.redis.{config, errors}, domain.model.{errors, steps}, ports.clock, redis
# Role: One thread-safe client: connected when first asked, every call with a deadline, pauses after a failure
"""The client all parts of one worker share.

The client library is imported with the first call, not with this module. It repeats nothing by itself: a
script that was run and whose answer was lost must not run again unseen. A connection that the server has
closed in the meantime is replaced before it is used.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from ginkgo_data.adapters.redis.config import RedisConfig
from ginkgo_data.adapters.redis.errors import redis_errors
from ginkgo_data.domain.model.errors import BrokerUnavailable, ConfigurationError
from ginkgo_data.domain.model.steps import step
from ginkgo_data.ports.clock import Clock

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class RedisClient:
    """Calls Redis, or says at once that it is away.

    After a failure nobody asks the server for a while that grows up to `max_backoff`; then one caller tries,
    and the others still hear at once that it is away. Coming and going are logged once each.
    """

    def __init__(self, config: RedisConfig, clock: Clock) -> None:
        if config.in_memory:
            raise ConfigurationError(f"redis.url is {config.url!r}: there is no server to call")
        self._config = config
        self._clock = clock
        self._redis: Redis | None = None
        self._lock = threading.Lock()
        self._failures = 0
        self._away_since = 0.0
        self._failed_at = 0.0
        self._try_again_at = 0.0

    @property
    def blind_time(self) -> float:
        """Longest time in seconds that a caller goes on without a server that is back already."""
        return self._config.max_backoff + self._config.connect_timeout + self._config.timeout

    @property
    def retry_in(self) -> float:
        """Seconds until the server is asked again; 0.0 when it may be asked now."""
        with self._lock:
            return max(self._try_again_at - self._clock.monotonic(), 0.0) if self._failures else 0.0

    def call(self, what: str, command: Callable[[Redis], Result]) -> Result:
        """Return what `command` returns for the library's client. Raises `BrokerUnavailable` in bounded time."""
        began = self._enter(what)
        try:
            with redis_errors(f"{what} at {self._config.url}"), step("redis"):
                result = command(self._connected())
        except BrokerUnavailable as error:
            self._failed(error, began)
            raise
        self._succeeded()
        return result

    def run(self, what: str, script: str, keys: Sequence[str], args: Sequence[float | str]) -> list[int]:
        """Return the integers that a Lua script returns; it runs by its hash if it is known. Raises as `call`."""
        reply = self.call(what, lambda redis: redis.register_script(script)(keys=list(keys), args=list(args)))
        return [int(number) for number in reply]

    def close(self) -> None:
        """Close the connections; idempotent."""
        with self._lock:
            redis, self._redis = self._redis, None
        if redis is not None:
            redis.close()

    def _enter(self, what: str) -> float:
        """Return the present, or raise while a pause lasts; the first caller after it takes the next one on itself."""
        with self._lock:
            now = self._clock.monotonic()
            if self._failures:
                if now < self._try_again_at:
                    raise BrokerUnavailable(
                        f"{what}: {self._config.url} has been away for {now - self._away_since:.1f} s "
                        f"and is asked again in {self._try_again_at - now:.1f} s"
                    )
                self._try_again_at = now + self._pause()
            return now

    def _pause(self) -> float:
        doublings = min(self._failures - 1, 32)
        return min(self._config.first_backoff * 2.0**doublings, self._config.max_backoff)

    def _failed(self, error: BrokerUnavailable, began: float) -> None:
        with self._lock:
            if self._failures and began < self._failed_at:
                return  # It was under way when another caller's failure was counted: the same failure.
            self._failed_at = self._clock.monotonic()
            if not self._failures:
                self._away_since = self._failed_at
                logger.warning("Redis is away, work goes on without it: %s", error)
            self._failures += 1
            self._try_again_at = self._failed_at + self._pause()

    def _succeeded(self) -> None:
        with self._lock:
            if self._failures:
                logger.info("Redis is back after %.1f s", self._clock.monotonic() - self._away_since)
            self._failures = 0

    def _connected(self) -> Redis:
        with self._lock:
            if self._redis is None:
                self._redis = _open(self._config)
            return self._redis


def _open(config: RedisConfig) -> Redis:
    """Return a client of the library; nothing is sent yet. Raises `ConfigurationError` without the library."""
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise ConfigurationError(
            f"{config.url} needs a package that is not installed ({error}); install ginkgo-data[worker]"
        ) from error
    return Redis(
        host=config.host,
        port=config.port,
        db=config.database,
        username=config.user,
        password=config.password.get_secret_value() or None,
        ssl=config.secure,
        socket_connect_timeout=config.connect_timeout,
        socket_timeout=config.timeout,
        retry=Retry(NoBackoff(), 0),
        client_name="ginkgo_data",
    )
