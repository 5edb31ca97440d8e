# Upstream: entrypoints.{worker, worker_cli}
# Downstream: pyarrow
# Role: How the process of a worker comes by the memory of its columns, and gives it back
"""A worker's threads hand batches to each other, and allocators keep for each thread what another one gave back.

Arrow itself loads pandas, where it is installed, at the first list it is given: a quarter of a second and 50 MiB, for
nothing, since none of our columns are pandas'.

Measured on 20 million daily bars: 401 MiB resident at the peak as Python comes, 400 with the C library as Arrow's
allocator, 373 with two of its arenas besides; in shorter runs in turn 25 MiB less, and as fast.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType

import pyarrow as pa

POOL, ARENAS = "ARROW_DEFAULT_MEMORY_POOL", "MALLOC_ARENA_MAX"
"""Variables of Arrow and of the C library: who sets one has chosen."""

_M_ARENA_MAX = -8
_FEW = 2


def keep_little() -> None:
    """Let Arrow take memory from the C library, and that keep it in two places instead of one for each thread.

    For the whole process and before it has threads: for one of ours only, not for a host program. A C library that
    is not glibc has no such places. Arrow does without pandas from then on; whoever wants that imports it as ever.
    """
    _let_arrow_miss_pandas()
    if not os.environ.get(POOL):
        pa.set_memory_pool(pa.system_memory_pool())
    if not os.environ.get(ARENAS):
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _FEW)


def rest_collector() -> None:
    """Let the collector of cycles rest while a process starts.

    What is loaded stays: looking through all of it again and again is a tenth of the start.
    """
    gc.disable()


def wake_collector() -> None:
    """Let it work again, and never look at what is there by now."""
    gc.freeze()
    gc.enable()


def collect_leftovers() -> None:
    """Collect now what nobody refers to but itself, in the part that is never looked at too.

    For after a reload: clients of libraries end with their last reference, threads and connections with them, and a
    full search would follow by itself only when there is much to find.
    """
    frozen = gc.get_freeze_count()
    if frozen:
        gc.unfreeze()
    gc.collect()
    if frozen:
        gc.freeze()


def _let_arrow_miss_pandas() -> None:
    hidden = _NoPandas()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([None])  # it looks once, and remembers that there was none
    finally:
        sys.meta_path.remove(hidden)


class _NoPandas:
    """Finds that there is no pandas, and leaves every other module to the finders after it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError(f"{fullname} is not for Arrow", name=fullname)
        return None
