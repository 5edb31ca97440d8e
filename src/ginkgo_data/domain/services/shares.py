# Upstream: domain.services.{collector, session_job}
# Downstream: domain.model.commands, domain.services.{pace, shedding, tally}
# Role: Which of the codes asked for this worker works now, and in which pieces
"""A worker's share of a job: pieces that bound memory, and what is beyond its share of calls left to others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ginkgo_data.domain.model.commands import Codes
from ginkgo_data.domain.services.pace import Pace
from ginkgo_data.domain.services.shedding import codes_to_shed
from ginkgo_data.domain.services.tally import Tally


def pieces(codes: list[str], days: int, most_cells: int) -> Iterator[list[str]]:
    """Cut `codes` so that the cells (codes x days) of one piece stay within `most_cells`, one code at the least."""
    size = max(1, most_cells // max(1, days))
    for position in range(0, len(codes), size):
        yield codes[position : position + size]


def own_share(
    codes: list[str],
    parts: Iterable[list[str]],
    calls_of: Callable[[list[str]], Iterable[Codes]],
    pace: Pace,
    tally: Tally,
) -> list[str]:
    """Return those of `codes` to work here and now, after the others were left to other workers.

    `parts` are the pieces of `codes`; `calls_of` gives the codes of each call that a piece takes. Raises what
    `pace.shed` raises.
    """
    most_calls = pace.most_calls
    if most_calls is None or len(codes) < 2:
        return codes
    calls: list[Codes] = []
    for part in parts:
        if not pace.go_on():
            return codes  # none of them is asked for anyway
        calls += calls_of(part)
    tally.shed = tuple(filter(pace.may_shed, codes_to_shed(calls, most_calls)))
    if not tally.shed:
        return codes
    pace.shed(tally.shed)
    shed = set(tally.shed)
    return [code for code in codes if code not in shed]
