# Upstream: entrypoints.{show_send, waiting_line}
# Downstream: adapters.kafka.report_wire, domain.model.{errors, quality}
# Role: What the workers tell about one request, put together: done, given up, or not over yet
"""Readers of the notification topic's messages for `send --wait`. Pure; messages that are not for us are passed over.

A request is worked record by record: what a record leaves undone is parked as work records, which end in turn. It is
over when as many records have ended as there were: the first one and all that were parked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ginkgo_data.adapters.kafka.report_wire import REPORT_KEY, decode_report
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.quality import DataQualityReport

Message = Mapping[str, object]

DONE, NOT_DONE, TIMED_OUT = 0, 1, 3
"""Exit codes of `send --wait`."""
REFUSED_RELOADS = frozenset({"refused", "failed"})
"""Outcomes of a reload that left the old configuration in force."""


class Watch(Protocol):
    """Follows one request."""

    @property
    def over(self) -> bool:
        """Whether nothing more is to come."""

    @property
    def code(self) -> int:
        """The exit code, once it is over."""

    def take(self, message: Message) -> Sequence[str]:
        """Take one message of the topic; return what is worth a line."""

    def summary(self) -> dict[str, object]:
        """Return what is known, for ``--json``."""

    def missing(self) -> str:
        """Return what is still waited for, in words."""


@dataclass(slots=True)
class OutcomeWatch:
    """Follows a command that one worker (and whoever takes over its remainder) works on."""

    request_id: str
    outcomes: dict[str, Message] = field(default_factory=dict)
    """The latest outcome per record: a telling may be repeated."""
    reports: dict[str, DataQualityReport] = field(default_factory=dict)
    calls_done: int = 0
    calls_planned: int = 0
    rows: int = 0
    _report_ids: set[str] = field(default_factory=set)

    @property
    def over(self) -> bool:
        """Whether the first record and all parked ones have ended."""
        # A remainder may be told of, by another worker, before the record that it was parked from.
        first = any(outcome.get("delivery_id") == record for record, outcome in self.outcomes.items())
        return first and len(self.outcomes) >= 1 + self._parked

    @property
    def code(self) -> int:
        """`DONE`, or `NOT_DONE` when anything was given up or ignored."""
        return NOT_DONE if self.unhappy() else DONE

    @property
    def awaited_reports(self) -> bool:
        """Whether a report was announced that has not come yet."""
        return bool(self._report_ids - set(self.reports))

    def unhappy(self) -> list[Message]:
        """Return the outcomes that are not what was asked for."""
        return [o for o in self.outcomes.values() if o.get("outcome") in ("dead_letter", "ignored")]

    def take(self, message: Message) -> Sequence[str]:
        """Take one message of the topic; return what is worth a line."""
        data = message.get("data")
        match message.get("type"):
            case "command_ended" if isinstance(data, Mapping):
                return self._ended(data)
            case "command_progress" if isinstance(data, Mapping):
                self._progress(data)
            case kind if kind == REPORT_KEY:
                self._report(message)
        return ()

    def summary(self) -> dict[str, object]:
        """Return what is known, for ``--json``."""
        return {"outcomes": list(self.outcomes.values()), "reports": list(self.reports.values())}

    def missing(self) -> str:
        """Return what is still waited for, in words."""
        if not self.outcomes:
            return "no worker has said anything about it yet"
        total = max(1 + self._parked, len(self.outcomes) + 1)
        return f"{total - len(self.outcomes)} of its {total} records have not ended yet"

    @property
    def _parked(self) -> int:
        return sum(_whole(outcome.get("parked")) for outcome in self.outcomes.values())

    def _ended(self, data: Message) -> list[str]:
        lines = []
        outcomes = data.get("outcomes")
        for outcome in outcomes if isinstance(outcomes, list) else ():
            if not isinstance(outcome, Mapping) or outcome.get("request_id") != self.request_id:
                continue
            record = str(outcome.get("record"))
            if record not in self.outcomes:
                lines += [_postponed(outcome)] if outcome.get("outcome") == "postponed" else []
            self.outcomes[record] = outcome
            if isinstance(data.get("report_id"), str):
                self._report_ids.add(str(data["report_id"]))
        return lines

    def _progress(self, data: Message) -> None:
        ids = data.get("request_ids")
        if isinstance(ids, list) and self.request_id in ids:
            self.calls_done, self.calls_planned = _whole(data.get("calls_done")), _whole(data.get("calls_planned"))
            self.rows = _whole(data.get("rows"))

    def _report(self, message: Message) -> None:
        try:
            report = decode_report(message)
        except SchemaMismatch:
            return
        if self.request_id in report.request_ids or report.report_id in self._report_ids:
            self.reports[report.report_id] = report


@dataclass(slots=True)
class AnswerWatch:
    """Follows a word that every worker answers: over when all `nodes` have."""

    request_id: str
    nodes: frozenset[str]
    answers: dict[str, Message] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether every node has answered."""
        return self.nodes <= set(self.answers)

    @property
    def code(self) -> int:
        """`DONE`, or `NOT_DONE` when a worker refused."""
        refused = any(answer.get("outcome") in REFUSED_RELOADS for answer in self.answers.values())
        return NOT_DONE if refused else DONE

    def take(self, message: Message) -> Sequence[str]:
        """Take one message of the topic; return what is worth a line."""
        data, node = message.get("data"), message.get("node_id")
        if message.get("type") not in ("heartbeat_test_answer", "reload_answer") or not isinstance(data, Mapping):
            return ()
        if data.get("request_id") != self.request_id or not isinstance(node, str) or node in self.answers:
            return ()
        self.answers[node] = data
        said = ", ".join(f"{name} {value}" for name, value in data.items() if name != "request_id" and value)
        return [f"{node} answered" + (f": {said}" if said else "")]

    def summary(self) -> dict[str, object]:
        """Return what is known, for ``--json``."""
        return {"answers": self.answers, "missing": sorted(self.nodes - set(self.answers))}

    def missing(self) -> str:
        """Return what is still waited for, in words."""
        return f"no answer from {', '.join(sorted(self.nodes - set(self.answers)))}"


def _postponed(outcome: Message) -> str:
    return f"goes on later: {outcome.get('reason') or 'no reason given'}"


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
