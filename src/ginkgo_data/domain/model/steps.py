# Upstream: adapters, domain.services, entrypoints.{dispatch, loop, round, worker}
# Downstream: none
# Role: Steps of the work, said where they happen; who listens is the business of whoever runs the work
"""A step is a stretch of work with a name: a plan, a vendor's call, an insert.

>>> with step("insert", table="bars", rows=1000):
...     ...

Without a listener in this thread's context a step costs nothing and does nothing. A listener measures, logs what is
slow, and knows at any moment where the work stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol


class StepListener(Protocol):
    """Is told of every step. Safe for several threads."""

    def step(self, name: str, about: Mapping[str, object]) -> AbstractContextManager[object]:
        """Return what is entered when the step begins, and left when it is over or has failed."""


_listener: ContextVar[StepListener | None] = ContextVar("ginkgo_data_step_listener", default=None)
_SILENT = nullcontext()


def step(name: str, **about: object) -> AbstractContextManager[object]:
    """Return the context of a step; `about` are a few plain values that tell it from others of its name."""
    listener = _listener.get()
    return _SILENT if listener is None else listener.step(name, about)


@contextmanager
def listening(listener: StepListener) -> Iterator[None]:
    """Tell `listener` of the steps of this context, and of the calls that a pool makes for it."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
