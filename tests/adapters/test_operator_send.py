"""What `ginkgo-data send` makes of its options. No broker."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from ginkgo_data.adapters.kafka.command_params import OWN_WORDS
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.wire import CONTROL_TOPIC, DATA_TOPIC, decode_command
from ginkgo_data.domain.model.delivery import Partition, RawRecord
from ginkgo_data.domain.model.errors import MalformedCommand
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from ginkgo_data.entrypoints.send import ALLOWED, BROADCASTS, PARAMS, SendWish, outgoing

CONFIG = KafkaConfig(topics=(CONTROL_TOPIC, DATA_TOPIC))
GIVEN = {
    "codes": "000001.SZ",
    "start": "2024-01-02",
    "end": "20240105",
    "frequency": "5m",
    "adjust": "qfq",
    "days": 3,
    "full": True,
    "force": True,
    "overwrite": True,
    "market": "SH",
}


def sent(word, **options):
    return outgoing(SendWish(word, options), CONFIG)


def test_a_worker_reads_what_was_typed():
    out = sent("bar_snapshot", codes="SH600000,000001.SZ", start="2024-01-02", frequency="5m", adjust="qfq", force=True)
    body = decode_command(RawRecord(Partition(out.topic, 0), 0, out.value)).body
    assert body.command == out.command
    assert body.request_id == out.request_id
    assert out.command.codes == ("600000.SH", "000001.SZ")
    assert out.command.series == Series(Frequency.MIN5, Adjust.QFQ)
    assert (out.command.start, out.command.force) == (date(2024, 1, 2), True)


def test_it_goes_to_the_topic_that_is_the_workers_own():
    assert sent("bar_snapshot").topic == DATA_TOPIC
    assert outgoing(SendWish("reload", topic=CONTROL_TOPIC), CONFIG).topic == CONTROL_TOPIC


def test_every_word_that_is_worked_can_be_sent_and_takes_no_option_silently():
    assert set(ALLOWED) == OWN_WORDS
    assert BROADCASTS <= OWN_WORDS
    for word in OWN_WORDS:
        for name in PARAMS:
            if name not in ALLOWED[word]:
                with pytest.raises(MalformedCommand, match=f"--{name} does not go with {word}"):
                    sent(word, **{name: GIVEN[name]})


@pytest.mark.parametrize(("word", "name"), [(word, name) for word in ALLOWED for name in ALLOWED[word]])
def test_an_option_that_is_taken_says_something(word, name):
    base = {"codes": "000001.SZ"} if "codes" in ALLOWED[word] else {}
    plain = {} if name == "codes" and word in ("bar_snapshot", "update_data") else {**base, "codes": "600000.SH"}
    other = sent(word, **{k: v for k, v in plain.items() if k in ALLOWED[word]}).command
    assert sent(word, **{**base, name: GIVEN[name]}).command != other


@pytest.mark.parametrize(
    ("word", "options", "said"),
    [
        ("bar_snapshot", {"start": "2024-13-01"}, "--start: '2024-13-01' is no day"),
        ("bar_snapshot", {"frequency": "1M"}, "--frequency: '1M' is unknown; allowed: 1d"),
        ("bar_snapshot", {"adjust": "x"}, "--adjust: 'x' is unknown"),
        ("bar_snapshot", {"codes": "000001.SZ,"}, "--codes: 1 of 2 codes are not"),
        ("bar_snapshot", {"days": 0}, "--days: 0 is no count"),
        ("bar_snapshot", {"start": "2024-02-01", "end": "2024-01-01"}, "--start 2024-02-01 is after --end 2024-01-01"),
        ("bar_snapshot", {"full": True}, "full without --codes"),
        ("tick", {}, "--codes: missing"),
        ("deploy", {}, "command 'deploy' is unknown; allowed: adjustfactor"),
        ("stockinfo", {"market": "x" * 300}, "--market: "),
    ],
)
def test_what_is_wrong_is_said_in_the_words_that_were_typed(word, options, said):
    with pytest.raises(MalformedCommand, match=re.escape(said)):
        sent(word, **options)


def test_a_topic_that_no_worker_reads_is_refused():
    with pytest.raises(MalformedCommand, match="--topic is 'elsewhere'"):
        outgoing(SendWish("trade_day", topic="elsewhere"), CONFIG)


def test_a_request_may_be_named_and_is_named_differently_each_time_otherwise():
    assert outgoing(SendWish("trade_day", request_id="mine"), CONFIG).request_id == "mine"
    assert json.loads(outgoing(SendWish("trade_day", request_id="mine"), CONFIG).value)["request_id"] == "mine"
    assert sent("trade_day").request_id != sent("trade_day").request_id
    with pytest.raises(MalformedCommand, match="--request-id"):
        outgoing(SendWish("trade_day", request_id="x" * 300), CONFIG)
