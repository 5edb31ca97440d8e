# Upstream: entrypoints.{opening, parts}
# Downstream: none
# Role: What becomes of steps outside this process: spans of a trace, or nothing
"""Steps as spans. Without an exporter there are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Spans(Protocol):
    """Makes spans of steps. Never raises; safe for several threads."""

    def begin(self, name: str, about: Mapping[str, object]) -> object:
        """Begin the span of a step in this thread's context and return it, None where it is worth none."""

    def end(self, span: object, error: BaseException | None) -> None:
        """End what `begin` returned, in the same thread."""

    def close(self) -> None:
        """Send what is left; waits a few seconds at most."""


class NoSpans:
    """Makes none."""

    def begin(self, name: str, about: Mapping[str, object]) -> object:
        """Begin nothing."""
        return None

    def end(self, span: object, error: BaseException | None) -> None:
        """End nothing."""

    def close(self) -> None:
        """Send nothing."""
