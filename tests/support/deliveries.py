"""Deliveries built from commands, for tests of what happens after decoding."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from ginkgo_data.domain.model.commands import Command, CommandMessage
from ginkgo_data.domain.model.delivery import Delivery, Malformed, Partition, RawRecord

SHANGHAI = ZoneInfo("Asia/Shanghai")
SENT = datetime(2020, 6, 1, 16, 0, tzinfo=SHANGHAI)
TOPIC = Partition("ginkgo.data.commands", 0)


def delivery(command: Command, offset: int = 0, sent: datetime = SENT, **more: object) -> Delivery:
    """Return `command` as delivered at `offset` of one partition."""
    message = CommandMessage(command, request_id=f"request-{offset}", sent_at=sent)
    return Delivery(RawRecord(TOPIC, offset, b"{}", timestamp=sent), message, **more)


def malformed(offset: int = 0, reason: str = "not JSON") -> Delivery:
    """Return a record whose bytes are no command."""
    return Delivery(RawRecord(TOPIC, offset, b"\xff", timestamp=SENT), Malformed(reason, "MalformedCommand"))
