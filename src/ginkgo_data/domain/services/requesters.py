# Upstream: entrypoints.dispatch
# Downstream: domain.services.{coalescing, revising}
# Role: Who asked for a code, in the words of the deliveries behind a piece of work
"""From a piece of work to the request ids behind each of its codes."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

from ginkgo_data.domain.services.coalescing import Work, codes_of
from ginkgo_data.domain.services.revising import RequestOf

NAMED = 5
"""Requests that are named; of more, the number is given."""


def requesters(work: Work) -> RequestOf:
    """Return what names the requests for a code: those that name it, and those for all codes.

    Nothing is added up until it is first asked.
    """

    @cache
    def by_code() -> dict[str | None, list[str]]:
        found: dict[str | None, list[str]] = defaultdict(list)
        for delivery in work.deliveries:
            for code in codes_of(delivery) or (None,):
                found[code].append(delivery.request_id)
        return found

    def request_of(code: str) -> str:
        known = by_code()
        ids = [*known.get(code, ()), *known.get(None, ())]
        more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
        return ", ".join(ids[:NAMED]) + more

    return request_of
