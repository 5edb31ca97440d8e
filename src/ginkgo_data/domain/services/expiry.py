# Upstream: entrypoints.loop
# Downstream: domain.model.{commands, delivery, quality, stream}
# Role: What is done about commands that expired on the broker before anybody read them
"""Records that are gone cannot be worked, but what they asked for can: one update of the whole universe."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ginkgo_data.domain.model.commands import CollectBars, CommandMessage
from ginkgo_data.domain.model.delivery import Delivery, RawRecord
from ginkgo_data.domain.model.quality import Alert, AlertKind, Severity
from ginkgo_data.domain.model.stream import ExpiredRecords

USUAL_SESSIONS = 5
"""Sessions that are updated where it is not known since when records were lost; upstream keeps records for hours."""


def make_up_for(expired: Sequence[ExpiredRecords], sessions: int | None, now: datetime) -> Delivery:
    """Return the command that makes up for `expired`: `update_data` over all codes, back to the last commit.

    `sessions` is how many sessions have passed since then, None where that is not known. Its request id names
    the records, so that several workers' commands are recognised as one.
    """
    first = min(expired, key=lambda e: (e.partition.topic, e.partition.number, e.first))
    place = f"{first.partition.topic}-{first.partition.number}-{first.first}"
    command = CollectBars(None, sessions=max(sessions or 0, USUAL_SESSIONS), word="update_data")
    record = RawRecord(first.partition, first.first, None, timestamp=now)
    return Delivery(record, CommandMessage(command, f"expired-{place}", now, "ginkgo_data"), first_delivered=now)


def earliest(expired: Sequence[ExpiredRecords]) -> datetime | None:
    """Return the earliest last commit among `expired`, None when one of them is not known."""
    times = [e.since for e in expired]
    known = [time for time in times if time is not None]
    return min(known) if known and len(known) == len(times) else None


def expired_alert(expired: Sequence[ExpiredRecords], now: datetime) -> Alert:
    """Return the alert that says which records are gone and what is done about it."""
    total = sum(e.count for e in expired)
    places = [f"{e.partition.topic}-{e.partition.number}: {e.count} from {e.first} on" for e in expired]
    since = earliest(expired)
    return Alert(
        AlertKind.COMMANDS_EXPIRED,
        Severity.ERROR,
        f"{total} commands expired before they were read",
        f"The broker deleted {total} records before the group read them ({'; '.join(places[:5])}). What they asked for "
        "is not known; an update of all codes back to the last commit has been queued. Give the topic more retention, "
        "or the group more workers.",
        now,
        {"expired": total, "places": places[:20], "last_commit": since.isoformat() if since else None},
        subject=", ".join(sorted({e.partition.topic for e in expired})),
    )
