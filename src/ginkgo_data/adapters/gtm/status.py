# Upstream: ginkgo_data
# Downstream: none
# Role: The host's enumeration of worker states, with its names, numbers and conversions
"""Ginkgo's ``WORKER_STATUS_TYPES``."""

from __future__ import annotations

from enum import IntEnum


class WORKER_STATUS_TYPES(IntEnum):  # noqa: N801  (the host's own name)
    """States of a worker by Ginkgo's names and numbers; a member equals the `WorkerStatus` of its number.

    The conversions are those of Ginkgo's enumerations.
    """

    VOID = -1
    STOPPED = 0
    STARTING = 1
    RUNNING = 2
    STOPPING = 3
    ERROR = 4

    @classmethod
    def enum_convert(cls, string: str) -> WORKER_STATUS_TYPES | None:
        """Return the member of this name, in any case; None where there is none."""
        return cls.__members__.get(string.upper())

    @classmethod
    def from_int(cls, value: object) -> WORKER_STATUS_TYPES | None:
        """Return the member of this number (or the member itself); None where there is none."""
        try:
            return cls(int(value))  # type: ignore[call-overload]  # whatever it is, it is one or not
        except (TypeError, ValueError):
            return None

    def to_int(self) -> int:
        """Return the number."""
        return int(self.value)

    @classmethod
    def validate_input(cls, value: object) -> int | None:
        """Return the number of a member or of its number; None for anything else."""
        found = cls.from_int(value) if isinstance(value, int) else None
        return None if found is None else found.to_int()
