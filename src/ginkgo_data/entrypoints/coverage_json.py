# Upstream: entrypoints.show_coverage
# Downstream: domain.model.coverage_map, domain.services.coverage_reading
# Role: A reading of coverage as the one JSON object that programs get
"""Counts, and per code the ranges that are unexplained or absent; never single cells."""

from __future__ import annotations

from ginkgo_data.domain.model.coverage_map import ABSENT, UNEXPLAINED, Run, StateCounts
from ginkgo_data.domain.services.coverage_reading import CoverageReading


def coverage_json(reading: CoverageReading, database: str) -> dict[str, object]:
    """Return the object that ``coverage --json`` prints; codes with the most unexplained sessions come first.

    Ranges name their first and last session, both included, and count the sessions between: of `absences` with the
    reason; of `unexplained_ranges` with why (``no_row``: the vendor's complete answer had none; ``unrecorded``:
    never answered).
    """
    cover, counts = reading.cover, reading.cover.counts()
    total = counts.total()
    return {
        "database": database,
        "frequency": reading.series.frequency.value,
        "adjust": reading.series.adjust.value,
        "start": str(reading.first),
        "end": str(reading.last),
        "sessions": len(cover.sessions),
        "complete": not int(total.unexplained),
        **_figures(total),
        "absent_by_reason": {state.word: int(total.of(state)) for state in ABSENT},
        "unexplained_by_cause": {state.word: int(total.of(state)) for state in UNEXPLAINED},
        "codes": [_code(reading, row, StateCounts(counts.numbers[row])) for row in cover.worst_first().tolist()],
        "nothing_due": list(reading.idle),
        "without_security": list(reading.observed),
    }


def _code(reading: CoverageReading, row: int, counts: StateCounts) -> dict[str, object]:
    code, runs = reading.cover.codes[row], list(reading.cover.runs(row))
    return {
        "code": code,
        "name": reading.names.get(code, ""),
        **_figures(counts),
        "unexplained_ranges": [_range("cause", run) for run in runs if run.state.unexplained],
        "absences": [_range("reason", run) for run in runs if run.state.absent],
    }


def _figures(counts: StateCounts) -> dict[str, object]:
    numbers = counts.coverage()
    return {
        "expected": numbers.expected,
        "held": numbers.held,
        "absent": numbers.absent,
        "unexplained": numbers.unexplained,
        "missing_rate": round(numbers.missing_rate, 6),
    }


def _range(key: str, run: Run) -> dict[str, object]:
    return {"first": str(run.first), "last": str(run.last), "sessions": run.sessions, key: run.state.word}
