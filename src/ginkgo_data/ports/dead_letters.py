# Upstream: entrypoints.round
# Downstream: domain.model.disposition
# Role: Port: commands given up, kept with their bytes
"""Dead letters: original bytes, reason, and everything needed to replay them."""

from __future__ import annotations

from typing import Protocol

from ginkgo_data.domain.model.disposition import DeadLetter


class DeadLetters(Protocol):
    """Keeps dead letters; one delivery given up twice is one dead letter."""

    def write(self, letter: DeadLetter) -> None:
        """Keep `letter`; it is acknowledged on return. Raises `BrokerUnavailable`."""
