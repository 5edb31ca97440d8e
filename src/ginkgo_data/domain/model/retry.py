# Upstream: adapters.resilience, domain.services.disposal, entrypoints.{dispatch, parts, sections}
# Downstream: none
# Role: How often and how patiently something is tried again
"""The retry policy of calls and of commands, as a plain value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with jitter: attempt n (from 1) is followed by ``first x factor**(n-1)`` seconds."""

    attempts: int = 3
    first_delay: float = 1.0
    factor: float = 2.0
    max_delay: float = 60.0
    jitter: float = 0.1
    """Share of the delay that is random."""
    max_deliveries: int = 5
    """Faults of one command before it is a dead letter."""
    max_postponement: float = 300.0
    """Longest delay of a work record, in seconds."""
    give_up_after: float = 86_400.0
    """Seconds for which an outage alone does not end a command."""

    def delay(self, attempt: int) -> float:
        """Return the seconds after failed attempt number `attempt` (1 = the first), without jitter."""
        return float(min(self.first_delay * self.factor ** max(attempt - 1, 0), self.max_delay))
