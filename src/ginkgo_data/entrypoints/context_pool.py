# Upstream: entrypoints.{opening, worker_wiring}
# Downstream: none
# Role: A pool whose calls run in the context of whoever sent them
"""Contexts (`contextvars`) end at the border of a thread; here they do not."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class ContextPool(ThreadPoolExecutor):
    """A pool in which a call knows what is being worked, and who listens to its steps."""

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Schedule a call in a copy of the present context."""
        context = copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))
