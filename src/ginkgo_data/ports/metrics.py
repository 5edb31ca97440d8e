# Upstream: adapters.observing, entrypoints.parts
# Downstream: domain.model.measures
# Role: Port: what is counted and measured of a worker's work
"""Metrics of one worker."""

from __future__ import annotations

from typing import Protocol

from ginkgo_data.domain.model.measures import Counted, Measured


class Metrics(Protocol):
    """Adds up. Safe for several threads; a value that is no finite number is left out.

    Raises `ValueError` for labels that are not those of the measure: a fault of the program.
    """

    def count(self, what: Counted, amount: float = 1.0, **labels: str) -> None:
        """Add `amount` (0 or more) to a counter."""

    def measure(self, what: Measured, value: float, **labels: str) -> None:
        """Add one value to a distribution."""
