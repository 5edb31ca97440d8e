# Upstream: adapters.kafka.{broadcasts, member, producer}
# Downstream: none
# Role: Callbacks for the client library that do not keep their owner alive
"""The library's clients do not take part in Python's search for cycles.

A client that is given a method of the object that owns it would keep both alive, with threads and connections, after
everybody else has let go of them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import ParamSpec

_Given = ParamSpec("_Given")


def weakly(method: Callable[_Given, None]) -> Callable[_Given, None]:
    """Return a function that calls the bound `method` as long as its object is there, and else does nothing."""
    reference = weakref.WeakMethod(method)

    def call(*args: _Given.args, **kwargs: _Given.kwargs) -> None:
        if (there := reference()) is not None:
            there(*args, **kwargs)

    return call
