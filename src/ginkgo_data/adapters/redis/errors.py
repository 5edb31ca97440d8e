# Upstream: adapters.redis.client
# Downstream: domain.model.errors
# Role: What a failed call of Redis means: always that it is away
"""The exception map of the family.

Every error of the client library becomes `BrokerUnavailable`, a refused password, a full memory and a replica
that may not write among them: whatever the reason, the server did not do what it was asked, and the worker
goes on without it until it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ginkgo_data.domain.model.errors import BrokerUnavailable

_LIBRARY = "redis"


@contextmanager
def redis_errors(what: str) -> Iterator[None]:
    """Translate what the client library raises inside into `BrokerUnavailable`; `what` says what was tried.

    An error that is not the library's nor a socket's passes as it is.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] != _LIBRARY:
            raise
        raise BrokerUnavailable(f"{what}: {type(error).__name__}: {error}") from error
