"""`ginkgo-data dlq` on a real broker."""

from __future__ import annotations

import json

import pytest

from ginkgo_data.adapters.kafka.letter_wire import CUT_VALUE, LetterHeader, dead_letter_key, encode_cut_dead_letter
from ginkgo_data.adapters.kafka.wire import decode_command
from ginkgo_data.domain.model.delivery import Partition, RawRecord
from ginkgo_data.domain.model.disposition import DeadLetter
from support.kafka_broker import read_all
from support.operated_fleet import OperatedFleet, demand


@pytest.fixture
def fleet(kafka_server):
    fleet = OperatedFleet(kafka_server)
    fleet.make_topics()
    yield fleet
    fleet.close()


def listed(fleet):
    return {letter["key"]: letter for letter in fleet.run("dlq", "list", "--json").json}


def test_a_letter_is_listed_with_what_it_is_and_why(fleet):
    key = fleet.give_up(demand(), reason="no permission", error="SourceRejected", attempts=3)
    letter = listed(fleet)[key]
    assert (letter["command"], letter["error"], letter["reason"], letter["attempts"]) == (
        "bar_snapshot", "SourceRejected", "no permission", 3,
    )  # fmt: skip
    assert letter["origin"] == key.partition("@")[0]
    # As alerts and events name it.
    assert fleet.run("dlq", "show", letter["origin"], "--json").json["key"] == key
    text = fleet.run("dlq", "list").out
    assert key in text
    assert "no permission" in text


def test_bytes_that_are_no_text_a_null_and_nothing_at_all_are_three_different_letters(fleet):
    keys = [fleet.give_up(value) for value in (b"\xff\x00", None, b"")]
    shown = [fleet.run("dlq", "show", key, "--json").json for key in keys]
    assert [letter["value"] for letter in shown] == ["hex:ff00", None, ""]
    assert [letter["replay"]["value"] for letter in shown] == ["hex:ff00", None, ""]
    people = [fleet.run("dlq", "show", key).out for key in keys]
    assert "hex:ff00" in people[0]
    assert "the value was null" in people[1]


def test_a_replay_sends_the_original_bytes_with_a_fresh_history_and_ends_the_letter(fleet):
    value = demand("600000.SH")
    headers = {"trace_id": b"t-1", "ginkgo-attempt": b"4"}
    key = fleet.give_up(value, topic=fleet.control, headers=headers, key=b"k")
    ended = fleet.run("dlq", "replay", key)
    assert ended.code == 0, ended
    *_, sent = read_all(fleet.kafka.bootstrap, fleet.control)
    assert (sent.value(), sent.key(), sent.headers()) == (value, b"k", [("trace_id", b"t-1")])
    assert listed(fleet) == {}


def test_what_came_from_the_work_topic_goes_to_the_commands(fleet):
    value = demand()
    key = fleet.give_up(value, topic=fleet.work)
    assert fleet.run("dlq", "replay", key).code == 0
    assert fleet.values(fleet.data) == [value]


def test_a_letter_for_some_codes_is_sent_as_the_command_for_just_these(fleet):
    value = json.dumps({"command": "bar_snapshot", "params": {"codes": ["000001.SZ", "000002.SZ"]}}).encode()
    fleet.give_up(value, codes=("000002.SZ",))
    (key,) = listed(fleet)
    plan = fleet.run("dlq", "show", key, "--json").json["replay"]
    assert plan["codes"] == ["000002.SZ"]
    assert fleet.run("dlq", "replay", key).code == 0
    sent = json.loads(fleet.values(fleet.data)[-1])
    assert sent["params"]["code"] == "000002.SZ"


def cut(fleet, value, offset):
    """Keep the cut form of a letter whose record stands at `offset` of the data topic."""
    record = RawRecord(Partition(fleet.data, 0), offset, value)
    letter = DeadLetter(decode_command(record), "too large", "E", 1)
    bytes_, headers = encode_cut_dead_letter(letter)
    fleet.producer.send(fleet.letters, bytes_, dead_letter_key(letter).encode(), headers)
    return dead_letter_key(letter)


def test_a_cut_letter_is_replayed_from_where_its_record_still_stands(fleet):
    value = demand(padding="x" * (CUT_VALUE + 100))
    fleet.producer.send(fleet.data, value, b"k", {"trace_id": b"t"})
    key = cut(fleet, value, 0)
    assert fleet.run("dlq", "replay", key).code == 0
    *_, sent = read_all(fleet.kafka.bootstrap, fleet.data)
    assert (sent.offset(), sent.value(), sent.key(), sent.headers()) == (1, value, b"k", [("trace_id", b"t")])
    assert listed(fleet) == {}


@pytest.mark.parametrize(("offset", "said"), [(7, "not at"), (0, "another record")])
def test_a_cut_letter_whose_record_is_gone_stays_and_says_so(fleet, offset, said):
    fleet.producer.send(fleet.data, demand("600000.SH"))
    key = cut(fleet, demand(padding="x" * (CUT_VALUE + 100)), offset)
    ended = fleet.run("dlq", "replay", key)
    assert ended.code == 1
    assert said in ended.out
    assert key in listed(fleet)
    assert fleet.values(fleet.data) == [demand("600000.SH")]
    shown = fleet.run("dlq", "show", key)
    assert shown.code == 0
    assert said in shown.out


def test_dropping_ends_a_letter_and_sends_nothing(fleet):
    kept, gone = fleet.give_up(b"one"), fleet.give_up(b"two")
    assert fleet.run("dlq", "drop", gone).code == 0
    assert set(listed(fleet)) == {kept}
    assert fleet.values(fleet.data) == [b"one", b"two"]


def test_all_letters_at_once_and_an_empty_shelf_is_no_error(fleet):
    for value in (b"one", b"two"):
        fleet.give_up(value)
    assert fleet.run("dlq", "replay", "--all").code == 0
    assert fleet.values(fleet.data) == [b"one", b"two", b"one", b"two"]
    again = fleet.run("dlq", "drop", "--all")
    assert again.code == 0
    assert "no dead letters" in again.out


def test_a_key_that_is_unknown_is_wrong_use_and_names_near_ones(fleet):
    key = fleet.give_up(b"one")
    ended = fleet.run("dlq", "drop", key + "9")
    assert ended.code == 2
    assert key in ended.err
    assert fleet.run("dlq", "replay").code == 2
    assert fleet.run("dlq", "replay", key, "--all").code == 2
    assert key in listed(fleet)


def test_the_latest_of_a_key_counts_and_records_that_are_no_letters_are_passed_over(fleet):
    key = fleet.give_up(b"one", reason="first")
    (first,) = read_all(fleet.kafka.bootstrap, fleet.letters)
    again = {**dict(first.headers()), LetterHeader.REASON: b"second"}
    fleet.producer.send(fleet.letters, first.value(), first.key(), again)
    fleet.producer.send(fleet.letters, b"a stranger's, without a name", b"")
    fleet.producer.send(fleet.letters, b"a stranger's", b"strange", {LetterHeader.ATTEMPTS: b"many", "x": b"\xff"})
    letters = listed(fleet)
    assert letters[key]["reason"] == "second"
    assert set(letters) == {key, "strange"}
    assert fleet.run("dlq", "show", "strange").code == 0


def test_without_the_topic_it_is_said_what_to_type(kafka_server):
    ended = OperatedFleet(kafka_server).run("dlq", "list")
    assert ended.code == 1
    assert "ginkgo-data topics apply" in ended.err
