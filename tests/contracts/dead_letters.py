"""What every place for dead letters promises."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from ginkgo_data.adapters.kafka.wire import decode_command, encode_work
from ginkgo_data.domain.model.delivery import Delivery, Partition, RawRecord
from ginkgo_data.domain.model.disposition import DeadLetter, WorkItem
from ginkgo_data.ports.dead_letters import DeadLetters

SENT = datetime(2026, 8, 15, 13, 10, tzinfo=UTC)
PAIR = json.dumps({"command": "bar_snapshot", "params": {"codes": ["000001.SZ", "600000.SH"]}}).encode()


class Kept(NamedTuple):
    """A letter as it can be read back."""

    value: bytes | None
    place: str
    """topic-partition-offset of the record that was given up."""
    reason: str
    error: str
    attempts: int
    codes: tuple[str, ...]


def delivered(value: bytes | None, offset: int = 0, headers: Mapping[str, bytes] | None = None) -> Delivery:
    """Return a delivery of the data topic."""
    place = Partition("ginkgo.data.commands", 1)
    return decode_command(RawRecord(place, offset, value, dict(headers or {}), SENT))


def letter(delivery: Delivery, **more: object) -> DeadLetter:
    """Return `delivery` given up."""
    return replace(DeadLetter(delivery, "no such thing", "MalformedCommand", attempts=1), **more)


def parked(delivery: Delivery, offset: int, codes: tuple[str, ...] = ()) -> Delivery:
    """Return `delivery` as it comes back from the work topic."""
    value, headers = encode_work(WorkItem(delivery, codes, 1, 1, SENT, "later"))
    return decode_command(RawRecord(Partition("ginkgo.data.commands.work", 4), offset, value, headers, SENT))


Read = Callable[[], Sequence[Kept]]


class DeadLettersContract:
    """Subclasses provide the fixtures `dead_letters` and `kept`, which reads all letters back."""

    @pytest.mark.parametrize("value", [b"\xff\xfe\x00 no text", b'{"command":"frob"}', b"", None, b"x" * 300_000])
    def test_a_letter_keeps_the_original_bytes(
        self, dead_letters: DeadLetters, kept: Read, value: bytes | None
    ) -> None:
        dead_letters.write(letter(delivered(value, 7), reason="给不出来: \ud800", error="UnknownCommand", attempts=5))
        (found,) = kept()
        assert found.value == value
        assert found.place == "ginkgo.data.commands-1-7"
        assert found.reason.startswith("给不出来: ")
        assert (found.error, found.attempts, found.codes) == ("UnknownCommand", 5, ())

    def test_one_delivery_given_up_twice_is_one_letter(self, dead_letters: DeadLetters, kept: Read) -> None:
        dead_letters.write(letter(delivered(PAIR, 7)))
        dead_letters.write(letter(delivered(PAIR, 7)))
        dead_letters.write(letter(delivered(PAIR, 8)))
        assert sorted(found.place for found in kept()) == ["ginkgo.data.commands-1-7", "ginkgo.data.commands-1-8"]

    def test_a_command_parked_in_between_is_still_one_letter(self, dead_letters: DeadLetters, kept: Read) -> None:
        first = delivered(PAIR, 7)
        dead_letters.write(letter(parked(first, 3)))
        dead_letters.write(letter(parked(parked(first, 4), 5), attempts=2))
        (found,) = kept()
        assert (found.value, found.attempts) == (PAIR, 2)

    def test_codes_given_up_at_different_times_do_not_replace_each_other(
        self, dead_letters: DeadLetters, kept: Read
    ) -> None:
        first = delivered(PAIR, 7)
        dead_letters.write(letter(first, codes=("000001.SZ",)))
        dead_letters.write(letter(parked(first, 3, ("600000.SH",)), codes=("600000.SH",)))
        dead_letters.write(letter(first, codes=("000001.SZ",)))
        assert sorted(found.codes for found in kept()) == [("000001.SZ",), ("600000.SH",)]
