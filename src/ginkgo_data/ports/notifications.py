# Upstream: adapters.{kafka, memory}, domain.services, entrypoints.{announcements, dispatch, parts, round}
# Downstream: domain.model.quality
# Role: Port: reports, alerts and events going out
"""Telling people and machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from ginkgo_data.domain.model.quality import Alert, DataQualityReport

Told: TypeAlias = Callable[[bool], None]
"""Called once, from any thread, with whether a message is known to be kept; one given up as lost may be kept."""


class Notifications(Protocol):
    """The notification topic. Telling never holds up work: a failure is logged and counted, not raised.

    A `told` that is given is called when the end of the message is known, at once or later.
    """

    def report(self, report: DataQualityReport, told: Told | None = None) -> None:
        """Publish a job's report."""

    def alert(self, alert: Alert, told: Told | None = None) -> None:
        """Publish an alert."""

    def event(self, kind: str, data: Mapping[str, object]) -> None:
        """Publish a state change, statistics or an answer; `data` holds texts, numbers, lists and mappings."""
