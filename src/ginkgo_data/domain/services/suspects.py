# Upstream: entrypoints.loop
# Downstream: domain.model.delivery
# Role: Which deliveries are worked together when some of them may have killed a worker
"""Finding the record that kills its worker.

A worker that dies leaves the deliveries it had begun marked. Those begun twice without an end are suspects:
few of them share a group, then none, so that the one at fault soon stands alone, and those that only stood
beside it are done. A suspect that was begun `most` times is given up: it stood alone the last time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ginkgo_data.domain.model.delivery import Delivery

SUSPECT = 2
"""Beginnings without an end from which a delivery is a suspect: one may be the operator's kill."""
GROUPS = 16
"""Into so many groups those go that are suspects for the first time."""
LEAST = SUSPECT + 1
"""Nothing is given up before it was begun so often: once with others, once alone."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Deliveries in the groups in which they are to be worked, one after the other, and those to give up."""

    groups: tuple[tuple[Delivery, ...], ...]
    given_up: tuple[Delivery, ...] = ()


def sort_suspects(deliveries: Sequence[Delivery], begun: Mapping[str, int], most: int) -> Sorted:
    """Return the groups of `deliveries`; `begun` says per record's lineage how often it was begun without an end.

    Those that are no suspects come first, as one group; of at most `GROUPS` suspects each stands alone, and so does
    each that would be given up after another death. With `most` below `LEAST` that many beginnings are waited for.
    """
    most = max(most, LEAST)
    count = {id(delivery): begun.get(delivery.record.lineage, 0) for delivery in deliveries}
    clear = tuple(d for d in deliveries if count[id(d)] < SUSPECT)
    suspects = [d for d in deliveries if SUSPECT <= count[id(d)] < most]
    first = [d for d in suspects if count[id(d)] == SUSPECT < most - 1]
    again = [d for d in suspects if not count[id(d)] == SUSPECT < most - 1]
    size = max(1, -(-len(first) // GROUPS))
    groups = [tuple(first[begin : begin + size]) for begin in range(0, len(first), size)]
    groups += [(delivery,) for delivery in again]
    given_up = tuple(d for d in deliveries if count[id(d)] >= most)
    return Sorted(((clear,) if clear else ()) + tuple(groups), given_up)
