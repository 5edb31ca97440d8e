"""Dead letters read back and what their replay sends. No broker."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from ginkgo_data.adapters.kafka.kept_letter import Origin, letter_of
from ginkgo_data.adapters.kafka.letter_replay import NotReplayable, replay_of
from ginkgo_data.adapters.kafka.letter_wire import (
    LetterHeader,
    dead_letter_key,
    encode_cut_dead_letter,
    encode_dead_letter,
)
from ginkgo_data.adapters.kafka.wire import CONTROL_TOPIC, DATA_TOPIC, WORK_TOPIC, decode_command
from ginkgo_data.domain.model.delivery import Partition, RawRecord
from ginkgo_data.domain.model.disposition import DeadLetter
from ginkgo_data.entrypoints.show_letters import print_letters

TOPICS = (CONTROL_TOPIC, DATA_TOPIC)
WRITTEN = datetime(2026, 8, 15, tzinfo=UTC)
MILLISECOND = 1_786_752_000_000


def kept(value, topic=DATA_TOPIC, encode=encode_dead_letter, headers=None, **more):
    record = RawRecord(Partition(topic, 2), 7, value, headers or {}, WRITTEN, b"k")
    letter = DeadLetter(decode_command(record), **{"reason": "why", "error": "E", "attempts": 3, **more})
    bytes_, headers = encode(letter)
    return letter_of(RawRecord(Partition("dlq", 0), 0, bytes_, headers, WRITTEN, dead_letter_key(letter).encode()))


def snapshot(*codes, **more):
    return json.dumps({"command": "bar_snapshot", "params": {"codes": list(codes)}, **more}).encode()


def test_a_letter_comes_back_as_it_was_written():
    letter = kept(snapshot("000001.SZ"), codes=("000001.SZ",), traceback="Traceback …")
    assert letter.origin == Origin(DATA_TOPIC, 2, 7)
    assert (letter.reason, letter.error, letter.attempts, letter.codes) == ("why", "E", 3, ("000001.SZ",))
    assert (letter.word, letter.original_key, letter.traceback) == ("bar_snapshot", b"k", "Traceback …")
    assert letter.value == snapshot("000001.SZ")


def test_a_null_and_an_empty_value_are_told_apart():
    assert kept(None).value is None
    assert kept(b"").value == b""


@pytest.mark.parametrize(("key", "value"), [(b"k", None), (None, b"x"), (b"", b"x")])
def test_tombstones_and_records_without_a_key_are_no_letters(key, value):
    assert letter_of(RawRecord(Partition("dlq", 0), 0, value, {}, WRITTEN, key)) is None


def test_headers_that_cannot_be_read_leave_a_letter_that_can_be_shown_and_replayed():
    headers = {LetterHeader.ATTEMPTS: b"many", LetterHeader.OFFSET: b"-1", LetterHeader.SINCE: b"x", "own": b"\xff"}
    letter = letter_of(RawRecord(Partition("dlq", 0), 0, b"\xff", headers, WRITTEN, b"\xfe"))
    assert (letter.attempts, letter.origin, letter.since, letter.word) == (0, None, None, "")
    sent = replay_of(letter, TOPICS)
    assert (sent.topic, sent.value, sent.headers) == (DATA_TOPIC, b"\xff", {"own": b"\xff"})


@pytest.mark.parametrize(
    ("topic", "goes_to"), [(CONTROL_TOPIC, CONTROL_TOPIC), (WORK_TOPIC, DATA_TOPIC), ("not read any more", DATA_TOPIC)]
)
def test_a_replay_goes_where_workers_read_it(topic, goes_to):
    assert replay_of(kept(snapshot("000001.SZ"), topic), TOPICS).topic == goes_to


def test_a_replay_keeps_the_bytes_the_key_and_the_headers_of_others_only():
    letter = kept(b"junk", headers={"trace_id": b"t", "ginkgo-attempt": b"2"})
    sent = replay_of(letter, TOPICS)
    assert (sent.value, sent.key, sent.headers) == (b"junk", b"k", {"trace_id": b"t"})


def test_a_letter_for_some_codes_is_the_same_command_for_these_only():
    value = snapshot("000001.SZ", "000002.SZ", request_id="r", trace_id="t")
    sent = replay_of(kept(value, CONTROL_TOPIC, codes=("000002.SZ",)), TOPICS)
    body = decode_command(RawRecord(Partition(sent.topic, 0), 0, sent.value)).body
    assert (sent.topic, body.command.codes, body.request_id, body.trace_id) == (DATA_TOPIC, ("000002.SZ",), "r", "t")
    assert sent.codes == ("000002.SZ",)


def test_a_narrowed_command_without_a_request_id_keeps_the_one_the_workers_knew_it_by():
    letter = kept(snapshot("000001.SZ", "000002.SZ"), codes=("000002.SZ",))
    assert json.loads(replay_of(letter, TOPICS).value)["request_id"] == letter.request_id == f"{DATA_TOPIC}-2-7"


def test_bytes_are_kept_where_narrowing_changes_nothing_or_is_not_possible():
    for value in (snapshot("000002.SZ"), b'{"command": "stockinfo"}', b"junk"):
        sent = replay_of(kept(value, CONTROL_TOPIC, codes=("000002.SZ",)), TOPICS)
        assert (sent.topic, sent.value, sent.codes) == (CONTROL_TOPIC, value, ())


def test_a_cut_letter_needs_its_record_and_no_other():
    value = snapshot("000001.SZ", padding="x" * 70_000)
    letter = kept(value, encode=encode_cut_dead_letter)
    assert letter.cut.length == len(value)
    with pytest.raises(NotReplayable, match=f"not at {DATA_TOPIC}-2-7 any more"):
        replay_of(letter, TOPICS)
    place = Partition(DATA_TOPIC, 2)
    with pytest.raises(NotReplayable, match="another record stands at"):
        replay_of(letter, TOPICS, RawRecord(place, 7, b"another"))
    sent = replay_of(
        letter, TOPICS, RawRecord(place, 7, value, {"trace_id": b"t", "ginkgo-piece": b"1"}, WRITTEN, b"k")
    )
    assert (sent.value, sent.key, sent.headers) == (value, b"k", {"trace_id": b"t"})


def listed(width, *letters):
    console = Console(width=width, file=io.StringIO(), highlight=False)
    print_letters(letters, console)
    return console.file.getvalue()


def test_a_narrow_terminal_shows_a_block_for_each_letter_with_its_key_whole():
    key = f"{DATA_TOPIC}.of.a.topic.whose.name.is.longer.than.any.that.fits.on.a.narrow.terminal-2-7"
    letter = kept(snapshot("000001.SZ"), topic=key.removesuffix("-2-7"), reason="no permission " * 20, error="Rejected")
    text = listed(80, letter, kept(snapshot("000002.SZ", "000001.SZ"), codes=("000002.SZ", "000001.SZ")))
    lines = text.splitlines()
    assert lines[0] == f"{key}@{MILLISECOND}"
    names = [line.split()[0] for line in lines[1:] if line.startswith("  ") and line[2] != " "]
    assert names == ["command", "error", "reason", "codes", "tries", "when"] * 2
    assert max(len(line) for line in lines[1:]) <= 80
    assert "  error   Rejected" in text
    assert "  codes   000002.SZ and 1 more" in text


def test_a_wide_terminal_shows_a_table():
    lines = listed(110, kept(snapshot("000001.SZ"))).splitlines()
    assert lines[0].split() == ["key", "when", "command", "error", "tries", "codes"]
    assert f"{DATA_TOPIC}-2-7@{MILLISECOND}: why" in lines
    assert listed(80).strip() == listed(110).strip() == "there are no dead letters"
