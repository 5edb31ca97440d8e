"""What arrives at a real worker from a real broker: upstream's own bytes, and everything that is no command."""

from __future__ import annotations

import json

import numpy as np
import pytest

from support.bars import code_name
from support.vendor import MarketSpec
from support.worker_fleet import snapshot

SPEC = MarketSpec(20, "2020-06-01", 3)
SPAN = {"start_date": SPEC.days[0], "end_date": SPEC.days[-1]}
SIX_MEGABYTES = 6 << 20


def test_every_poison_ends_as_designed_and_the_loop_never_stops(fleets):
    fleet = fleets(SPEC, {"commands": {"bare_bar_snapshot": "ignore"}}, largest_record=SIX_MEGABYTES)
    codes = SPEC.names
    good = iter(codes[:10])
    garbage = np.random.default_rng(1).bytes(5 << 20)
    many = [code_name(number) for number in range(20_000)]
    bad = {
        b"\xff\xfe not JSON": "MalformedCommand",
        None: "MalformedCommand",
        b'{"command": "bar_snapshot", "params": {"code": "0000': "MalformedCommand",
        b"[1, 2]": "MalformedCommand",
        b'{"command": "defragment", "params": {}}': "UnknownCommand",
        b'{"command": "adjustfactor", "params": {}}': "MalformedCommand",
        b'{"command": "bar_snapshot", "params": {"code": 17}}': "MalformedCommand",
        b'{"command": "bar_snapshot", "params": ["000001.SZ"]}': "MalformedCommand",
        b'{"command": "bar_snapshot", "params": {"code": "000001.SZ", "start_date": "yesterday"}}': "MalformedCommand",
        b'{"command": "bar_snapshot", "params": {"code": "not a code"}}': "MalformedCommand",
    }
    foreign = [b'{"command": "deploy", "params": {"portfolio_id": "p"}, "timestamp": "2026-08-15T21:10:00.123456"}']
    foreign += [b'{"command": "unload", "params": null}', b'{"command": "paper_trading", "params": [], "x": 1}']
    bare = b'{"command": "bar_snapshot", "params": {"full": false}}'
    doubled = json.dumps(snapshot(codes[10], **SPAN).decode()).encode()
    everyone = json.dumps({"command": "bar_snapshot", "params": {"codes": many, **SPAN}}).encode()
    fleet.start(wait=True)
    for poison in [*bad, garbage, *foreign, bare, doubled, everyone]:
        fleet.send([poison])
        if (code := next(good, None)) is not None:
            fleet.send([snapshot(code, **SPAN)])
    fleet.drain()
    letters = fleet.dead_letters()
    by_value = {letter.value: letter for letter in letters if "ginkgo-null-value" not in letter.headers}
    for value, error in bad.items():
        letter = by_value[value] if value is not None else null_letter(letters)
        assert letter.error == error, letter
    cut = by_value[garbage[: 64 * 1024]]
    assert (cut.error, cut.headers["ginkgo-cut-length"]) == ("MalformedCommand", str(len(garbage)))
    unknown = by_value[everyone]
    assert (unknown.error, len(unknown.codes)) == ("UnknownCode", 20_000 - SPEC.codes)
    assert len(letters) == len(bad) + 2
    assert fleet.differences() == [], "the known ones of the 20,000 codes are stored, all 20 of them"
    (worker,) = fleet.workers
    assert worker.running
    assert fleet.heartbeats()[worker.node_id]["status"] == "running"


def null_letter(letters):
    """Return the letter of the record that had no value."""
    (found,) = [letter for letter in letters if "ginkgo-null-value" in letter.headers]
    return found


@pytest.fixture
def today() -> MarketSpec:
    """A market of the last six weekdays: upstream's snapshots name no dates."""
    return MarketSpec(6, str(np.busday_offset(np.datetime64("today"), -5, roll="backward")), 6)


def task_timer(word: str, params: dict) -> bytes:
    """The bytes of TaskTimer: `ControlCommandDTO`, dumped with its nulls by `json.dumps`."""
    dto = {"command": word, "timestamp": "2026-08-15T21:10:00.123456", "params": params, "source": "task_timer"}
    return json.dumps({**dto, "correlation_id": None, "trace_id": None, "span_id": None}).encode("utf-8")


def kafka_service(word: str, params: dict, message_id: str) -> bytes:
    """The bytes of `ginkgo data sync --daemon`: KafkaService adds its metadata at the top level."""
    envelope = {"command": word, "params": params, "message_id": message_id}
    envelope |= {"timestamp": "2026-08-15T10:00:00.1", "service": "KafkaService", "version": "1.0"}
    return json.dumps(envelope).encode("utf-8")


def three_keys(word: str, params: dict) -> bytes:
    """The bytes of the REST API and the older senders: three keys."""
    return json.dumps({"command": word, "params": params, "timestamp": "2026-08-15T21:10:00.123456"}).encode("utf-8")


def test_upstreams_senders_are_understood_byte_for_byte(fleets, today):
    names = today.names
    fleet = fleets(today)
    fleet.start(wait=True)
    written = task_timer("bar_snapshot", {"full": False, "force": False, "code": "000001.SZ"})
    assert written == (
        b'{"command": "bar_snapshot", "timestamp": "2026-08-15T21:10:00.123456", "params": {"full": false, '
        b'"force": false, "code": "000001.SZ"}, "source": "task_timer", "correlation_id": null, '
        b'"trace_id": null, "span_id": null}'
    )
    ids = {word: f"0a4f6f5e-61c7-4a0b-8f43-2f9d6c3f7f1{number}" for number, word in enumerate("abcd")}
    sent = [
        task_timer("bar_snapshot", {"full": False, "force": False, "code": names[0]}),
        task_timer("bar_snapshot", {"full": True, "force": False, "code": names[1]}),
        task_timer("stockinfo", {}),
        task_timer("update_selector", {}),
        kafka_service("bar_snapshot", {"code": names[2], "full": False, "force": True}, ids["a"]),
        kafka_service("bar_snapshot", {"code": names[3], "full": True, "force": True}, ids["b"]),
        kafka_service("stockinfo", {}, ids["c"]),
        kafka_service("trade_day", {}, ids["d"]),
        three_keys("bar_snapshot", {"code": names[4]}),
        three_keys("deploy", {"portfolio_id": "p"}),
        three_keys("unload", {"portfolio_id": "p"}),
    ]
    fleet.send(sent)
    fleet.drain()
    assert fleet.dead_letters() == []
    # Of today there may be a bar or not: the session may just have ended.
    closed = today.days[:-1]
    wanted = fleet.source(names[:5], closed)
    stored = {key: row for key, row in fleet.stored().items() if key[1] in closed}
    assert stored == wanted
    done = {outcome["request_id"] for outcome in fleet.outcomes() if outcome["outcome"] == "done"}
    assert {ids[word] for word in "abcd"} <= done


def test_what_this_version_cannot_collect_is_kept_to_be_replayed(fleets):
    fleet = fleets(SPEC)
    code = SPEC.names[0]
    sent = [
        task_timer("adjustfactor", {"code": code}),
        task_timer("tick", {"full": False, "overwrite": False, "code": code}),
        kafka_service("adjustfactor", {"code": code, "full": False, "force": False}, "m-1"),
        kafka_service("tick", {"code": code, "full": True, "overwrite": True}, "m-2"),
    ]
    fleet.start(wait=True)
    fleet.send(sent)
    fleet.drain()
    letters = fleet.dead_letters()
    ticks = [value for value in sent if b'"tick"' in value]
    assert sorted(letter.value for letter in letters) == sorted(ticks)
    assert {letter.error for letter in letters} == {"NotAvailable"}
    assert len(fleet.vendor.calls("adj_factor")) >= 1
