# Upstream: domain.services.shares
# Downstream: domain.model.commands
# Role: Which codes of a plan are left to others, so that a round makes no more calls than its share
"""Shedding: of a long plan a round keeps its share of calls, by whole codes, and leaves the rest to the fleet."""

from __future__ import annotations

from collections.abc import Sequence

from ginkgo_data.domain.model.commands import Codes


def codes_to_shed(calls: Sequence[Codes], most_calls: int) -> tuple[str, ...]:
    """Return the codes to leave to others, so that the calls for the rest are at most `most_calls`.

    `calls` are the codes of each planned call, in the order of the plan; None is a call for the whole market,
    which is never left: it counts, but all codes live by it. Codes are looked at in that order and kept with all
    their calls or not at all, for half a code would be planned twice. Something is always kept, be it one code
    that alone takes more.
    """
    if len(calls) <= most_calls:
        return ()
    calls_of: dict[str, list[int]] = {}
    for number, codes in enumerate(calls):
        for code in codes or ():
            calls_of.setdefault(code, []).append(number)
    kept = {number for number, codes in enumerate(calls) if codes is None}
    shed = []
    for code, own in calls_of.items():
        more = [number for number in own if number not in kept]
        if not more or not kept or len(kept) + len(more) <= most_calls:
            kept.update(more)
        else:
            shed.append(code)
    return tuple(shed)
