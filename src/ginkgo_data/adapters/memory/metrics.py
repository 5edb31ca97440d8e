# Upstream: none
# Downstream: domain.model.measures
# Role: Port metrics in memory
"""Figures that a test can read; also what a worker counts with that nobody looks at."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ginkgo_data.domain.model.measures import Counted, Measured

Key = tuple[str, tuple[str, ...]]
MOST_VALUES = 1_000
"""Values of a distribution that are kept, the newest."""


class InMemoryMetrics:
    """Keeps sums and the newest values by the measure's name and the values of its labels in their order."""

    def __init__(self) -> None:
        self._counts: dict[Key, float] = defaultdict(float)
        self._values: dict[Key, list[float]] = defaultdict(list)
        self._lock = threading.Lock()

    def count(self, what: Counted, amount: float = 1.0, **labels: str) -> None:
        """Add `amount` to a counter."""
        key = what.name, ordered(what, labels)
        if math.isfinite(amount):
            with self._lock:
                self._counts[key] += amount

    def measure(self, what: Measured, value: float, **labels: str) -> None:
        """Keep one value."""
        key = what.name, ordered(what, labels)
        if math.isfinite(value):
            with self._lock:
                kept = self._values[key]
                kept.append(value)
                del kept[:-MOST_VALUES]

    def counted(self, what: Counted, **labels: str) -> float:
        """Return a counter, 0.0 where nothing was counted."""
        key = what.name, ordered(what, labels)
        with self._lock:
            return self._counts.get(key, 0.0)

    def counts(self, what: Counted) -> Mapping[tuple[str, ...], float]:
        """Return all counters of a measure by the values of its labels."""
        with self._lock:
            return {labels: amount for (name, labels), amount in self._counts.items() if name == what.name}

    def values(self, what: Measured, **labels: str) -> Sequence[float]:
        """Return the newest values of a distribution, oldest first."""
        key = what.name, ordered(what, labels)
        with self._lock:
            return tuple(self._values.get(key, ()))


def ordered(what: Counted | Measured, labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of `labels` in the measure's order. Raises `ValueError` when they are not its labels."""
    if labels.keys() != set(what.labels):
        raise ValueError(f"{what.name} has the labels {', '.join(what.labels)}, found {', '.join(labels) or 'none'}")
    return tuple(labels[name] for name in what.labels)
