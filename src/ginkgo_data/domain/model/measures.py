# Upstream: adapters.{memory, observing, prometheus}, entrypoints.{loop, parts, reloading, step_watch}, ports.metrics
# Downstream: none
# Role: The vocabulary of what is counted and measured of a worker's work
"""Every measure with its labels: what is counted is one of these, and nothing else.

Labels have few values by construction: a vendor, a table, a command of ours, never a code or an id.
"""

from __future__ import annotations

from dataclasses import dataclass

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
ROWS = (1.0, 10.0, 100.0, 1_000.0, 10_000.0, 50_000.0, 100_000.0, 250_000.0, 500_000.0, 1_000_000.0)


@dataclass(frozen=True, slots=True)
class Counted:
    """Something that happens; `name` is in the plural."""

    name: str
    labels: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Something with a size, put into `buckets` by their upper bounds."""

    name: str
    labels: tuple[str, ...]
    text: str
    buckets: tuple[float, ...] = SECONDS


COMMANDS = Counted(
    "commands",
    ("command", "outcome"),
    "Commands brought to an end: done, postponed (work is left for later), dead_letter, ignored (a neighbour's).",
)
VENDOR_CALLS = Counted(
    "vendor_calls",
    ("vendor", "dataset", "result"),
    "Calls to a vendor, by what its answer was: rows, empty (proven), or why it was none.",
)
VENDOR_ANSWERS = Measured(
    "vendor_answer_seconds",
    ("vendor", "dataset", "result"),
    "Seconds until an answer, its pages and the wait for the call budget included; a retry is an answer of its own.",
)
BUDGET_WAITS = Counted(
    "vendor_budget_wait_seconds",
    ("quota",),
    "Seconds that calls have waited for the call budget, all threads together.",
)
INSERT_ROWS = Measured("insert_rows", ("table",), "Rows of an insert.", ROWS)
INSERT_SECONDS = Measured("insert_seconds", ("table",), "Seconds of an insert, failed ones included.")
INSERT_FAILURES = Counted("insert_failures", ("table",), "Inserts that were not acknowledged.")
STEPS = Measured("step_seconds", ("step",), "Seconds of a step of the work, failed ones included.")
STEP_FAILURES = Counted("step_failures", ("step",), "Steps that ended with an error.")
ALERTS = Counted("alerts", ("kind", "severity"), "Alerts that were news to the fleet and told by this worker.")
RELOADS = Counted("reloads", ("outcome",), "Reloads of the configuration: applied, unchanged, restart_needed, refused.")

ALL: tuple[Counted | Measured, ...] = (
    COMMANDS,
    VENDOR_CALLS,
    VENDOR_ANSWERS,
    BUDGET_WAITS,
    INSERT_ROWS,
    INSERT_SECONDS,
    INSERT_FAILURES,
    STEPS,
    STEP_FAILURES,
    ALERTS,
    RELOADS,
)
"""The whole vocabulary."""
