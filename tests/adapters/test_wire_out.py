"""What goes out, read by doubles of those who read it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.dead_letters import PAIR, SENT, delivered, letter, parked
from contracts.heartbeats import BEAT
from contracts.notifications import ALERT, REPORT
from ginkgo_data.adapters.kafka.heartbeat_wire import decode_heartbeat, encode_heartbeat
from ginkgo_data.adapters.kafka.letter_wire import (
    LetterHeader,
    dead_letter_key,
    encode_cut_dead_letter,
    encode_dead_letter,
)
from ginkgo_data.adapters.kafka.report_wire import REPORT_KEY, decode_report, encode_report
from ginkgo_data.adapters.kafka.wire import decode_command
from ginkgo_data.adapters.kafka.wire_json import plain, to_bytes
from ginkgo_data.adapters.kafka.wire_out import encode_alert, encode_event
from ginkgo_data.domain.model.coverage import CoverageCounts
from ginkgo_data.domain.model.delivery import Partition, RawRecord
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.quality import Alert, AlertKind, DataQualityReport, Finding, Severity, Verdict
from ginkgo_data.domain.model.worker import Heartbeat, WorkerStats, WorkerStatus

SHANGHAI = ZoneInfo("Asia/Shanghai")


def strict(message):
    """Return `message` after a trip through JSON that knows no NaN, as a reader gets it."""
    return json.loads(json.dumps(message, allow_nan=False, ensure_ascii=False).encode("utf-8"))


# -- alerts ----------------------------------------------------------------------------------------------------


class GinkgoNotifier:
    """Ginkgo's NotificationWorker, from `upstream-contract.md` section 3: what it routes and what it drops."""

    COLOURS = ("INFO", "WARN", "ERROR", "ALERT", "SUCCESS")

    def __init__(self):
        self.posted = []

    def handle(self, value):
        message = json.loads(value)
        if message.get("message_type") != "custom_fields":
            return False
        if not message.get("content") or not message.get("fields"):
            return False
        fields_ok = all({"name", "value", "inline"} <= set(field) for field in message["fields"])
        if not fields_ok or not (message.get("group_name", "System") or message.get("group_uuid")):
            return False
        level = message.get("level", "INFO")
        colour = level if level in self.COLOURS else "the default colour"
        self.posted.append((message["group_name"], message["title"], message["content"], colour))
        return True


@pytest.mark.parametrize(
    ("severity", "colour"), [(Severity.INFO, "INFO"), (Severity.WARNING, "WARN"), (Severity.ERROR, "ERROR")]
)
@pytest.mark.parametrize("kind", list(AlertKind))
def test_every_alert_is_routed_by_ginkgos_notifier_in_its_colour(kind, severity, colour):
    notifier = GinkgoNotifier()
    assert notifier.handle(to_bytes(encode_alert(replace(ALERT, kind=kind, severity=severity), "node-1")))
    assert notifier.posted == [("System", "Bars are missing", "7 % of 1d/none", colour)]


def test_an_alert_without_words_and_numbers_is_still_routed():
    notifier = GinkgoNotifier()
    bare = Alert(AlertKind.CONFIG_ERROR, Severity.ERROR, "", "", ALERT.raised_at)
    assert notifier.handle(to_bytes(encode_alert(bare, "node-1", "Operators")))
    assert notifier.posted == [("Operators", "config_error", "config_error", "ERROR")]


def test_an_alert_has_the_specifications_keys_too():
    message = strict(encode_alert(ALERT, "node-1"))
    assert (message["type"], message["severity"], message["data"]) == ("data_missing", "WARNING", {"rate": 0.07})
    assert message["fields"] == [
        {"name": "node_id", "value": "node-1", "inline": True},
        {"name": "type", "value": "data_missing", "inline": True},
        {"name": "subject", "value": "1d/none", "inline": True},
        {"name": "rate", "value": "0.07", "inline": True},
    ]
    assert (message["module"], message["node_id"], message["key"]) == ("DataWorker", "node-1", "data_missing:1d/none")
    assert datetime.fromisoformat(message["timestamp"]) == ALERT.raised_at
    assert message["alert_id"] == ALERT.alert_id


def test_a_large_alert_fits_the_webhook_and_keeps_all_its_data():
    data = {f"code-{n}" * 20: "给" * 5000 for n in range(100)} | {"empty": "", "none": None, "list": []}
    large = replace(ALERT, title="T" * 1000, text="给" * 9000, data=data)
    message = strict(encode_alert(large, "node-1"))
    shown = [len(field["name"]) + len(field["value"]) for field in message["fields"]]
    assert all(field["value"] and field["name"] for field in message["fields"])
    assert len(message["fields"]) <= 25
    assert len(message["title"]) + len(message["content"]) + sum(shown) <= 6000
    assert (message["text"], message["data"]) == (large.text, data)


def test_an_event_is_not_posted_to_people():
    message = encode_event("worker_status", {"to": "RUNNING", "at": ALERT.raised_at}, "node-1", ALERT.raised_at)
    assert not GinkgoNotifier().handle(to_bytes(message))
    assert strict(message) == {
        "type": "worker_status",
        "node_id": "node-1",
        "timestamp": "2026-08-15T13:10:00.000005+00:00",
        "data": {"to": "RUNNING", "at": "2026-08-15T13:10:00.000005+00:00"},
    }


# -- reports ---------------------------------------------------------------------------------------------------


def test_a_report_has_the_specifications_numbers_at_the_top():
    message = strict(encode_report(REPORT))
    assert message["type"] == REPORT_KEY == "data_worker_quality_report"
    wanted = {
        "records_expected": 100,
        "records_actual": 93,
        "records_failed": 2,
        "records_skipped": 40,
        "success_rate": 0.93,
        "duration_seconds": 1.25,
        "anomalies": [
            {
                "rule": "zero_price",
                "severity": "ERROR",
                "verdict": "reject",
                "count": 2,
                "examples": ["000001.SZ 2026-08-14: close 0.0"],
            }
        ],
    }
    assert {key: message[key] for key in wanted} == wanted
    assert message["coverage"] == {"expected": 100, "due": 104, "held": 93, "absent": 4, "unexplained": 7}
    assert (message["window"], message["worst"][0]) == (["2026-08-10", "2026-08-14"], ["000002.SZ", 5])
    assert datetime.fromisoformat(message["created_at"]) == REPORT.created_at


COUNT = st.integers(0, 10**12)
NUMBER = st.floats(0, 1e9)
WORDS = st.text(st.characters(codec="utf-8"), max_size=10)
DAY = st.dates(date(1990, 1, 1), date(2100, 1, 1))
REPORTS = st.builds(
    DataQualityReport,
    report_id=WORDS,
    node_id=WORDS,
    command=WORDS,
    series=WORDS,
    request_ids=st.lists(WORDS, max_size=3).map(tuple),
    created_at=st.datetimes(datetime(1992, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from([SHANGHAI, UTC])),
    window=st.none() | st.tuples(DAY, DAY),
    records_expected=COUNT,
    records_actual=COUNT,
    records_failed=COUNT,
    records_skipped=COUNT,
    records_written=COUNT,
    success_rate=NUMBER,
    coverage=st.builds(CoverageCounts, COUNT, COUNT, COUNT, COUNT, COUNT),
    missing_rate=NUMBER,
    calls=COUNT,
    inserts=COUNT,
    duration_seconds=NUMBER,
    anomalies=st.lists(
        st.builds(
            Finding,
            WORDS,
            st.sampled_from(Severity),
            st.sampled_from(Verdict),
            COUNT,
            st.lists(WORDS, max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    unknown=st.dictionaries(WORDS, WORDS, max_size=2),
    worst=st.lists(st.tuples(WORDS, COUNT), max_size=2).map(tuple),
    delay_minutes=st.none() | NUMBER,
    notes=st.lists(WORDS, max_size=2).map(tuple),
)


@given(REPORTS)
@settings(max_examples=40, deadline=None)
def test_a_report_read_back_is_the_report(report):
    assert decode_report(strict(encode_report(report))) == report


def test_a_rate_that_is_no_number_travels_as_null():
    message = strict(encode_report(replace(REPORT, success_rate=float("nan"), missing_rate=float("inf"))))
    assert (message["success_rate"], message["missing_rate"]) == (None, None)
    assert math.isnan(decode_report(message).success_rate)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": "data_missing"}, "type is 'data_missing'; allowed: 'data_worker_quality_report'"),
        ({"calls": "many"}, "calls: "),
        ({"coverage": None}, "coverage: "),
        ({"created_at": "soon"}, "created_at: "),
    ],
)
def test_what_is_no_report_is_refused_by_the_name_of_its_key(change, named):
    with pytest.raises(SchemaMismatch) as raised:
        decode_report(strict(encode_report(REPORT)) | change)
    assert named in str(raised.value)


def test_a_report_that_lacks_a_key_is_refused_by_its_name():
    message = strict(encode_report(REPORT))
    del message["records_actual"]
    with pytest.raises(SchemaMismatch, match="records_actual: missing"):
        decode_report(message)


# -- heartbeats ------------------------------------------------------------------------------------------------


def worker_status_of_redis_service(value):
    """Read a heartbeat as `RedisService.get_worker_status` does."""
    beat = json.loads(value)
    if "node_id" not in beat:
        return None
    return {
        "worker_id": beat["node_id"],
        "status": beat.get("status"),
        "task_count": beat.get("stats", {}).get("messages_processed", 0),
        "last_heartbeat": beat.get("timestamp"),
    }


def formatted_by_system_service(worker):
    """Format a status as `SystemService._format_workers` does; an object in its place raises."""
    status = worker["status"]
    return (status.split(".")[-1] if "." in status else status).lower()


@pytest.mark.parametrize("status", list(WorkerStatus))
def test_upstreams_readers_understand_a_heartbeat(status):
    worker = worker_status_of_redis_service(to_bytes(encode_heartbeat(replace(BEAT, status=status))))
    assert worker == {
        "worker_id": "data_worker_a",
        "status": status.name.lower(),
        "task_count": 12,
        "last_heartbeat": "2026-08-15T21:10:00.123456",
    }
    assert formatted_by_system_service(worker) in ("starting", "running", "stopping", "stopped", "error")


def test_a_heartbeat_is_the_superset_of_both_contracts():
    message = strict(encode_heartbeat(BEAT))
    stats = message.pop("stats")
    assert message == {
        "status": "running",
        "timestamp": "2026-08-15T21:10:00.123456",
        "node_id": "data_worker_a",
        "component_type": "data_worker",
        "component_id": "data_worker_a",
        "host": "host-1",
        "pid": 4711,
        "status_code": 2,
        "status_name": "RUNNING",
        "degraded": True,
        "reason": "waiting for the vendor's quota",
        "since": "2026-08-15T21:10:00.123456+08:00",
        "progress": {"round": 7, "lag": {"ginkgo.data.commands": 3}, "last": "2026-08-15"},
    }
    upstream = {"messages_processed": 12, "bars_written": 480, "errors": 1, "last_heartbeat": BEAT.sent_at.timestamp()}
    specification = {
        "messages_failed": 1,
        "bars_collected": 500,
        "last_message_time": "2026-08-15T21:10:00.123456+08:00",
        "last_error": "行情: over its quota",
        "uptime_seconds": 61.5,
    }
    assert (upstream | specification).items() <= stats.items()
    assert {field.name for field in fields(WorkerStats)} <= set(stats)


def test_a_heartbeats_time_is_shanghais_wall_clock_whatever_its_zone():
    utc = replace(BEAT, sent_at=BEAT.sent_at.astimezone(UTC))
    assert encode_heartbeat(utc) == encode_heartbeat(BEAT)


def test_a_heartbeat_read_back_is_the_heartbeat():
    idle = Heartbeat("a", WorkerStatus.STARTING, BEAT.sent_at, "h", 1, WorkerStats())
    for beat in (BEAT, idle, replace(idle, degraded="", degraded_since=BEAT.sent_at)):
        assert decode_heartbeat(strict(encode_heartbeat(beat))) == beat


def test_upstreams_own_heartbeat_is_read():
    own = {
        "status": "running",
        "timestamp": "2026-08-15T21:10:00.123456",
        "node_id": "data_worker_old",
        "stats": {"messages_processed": 3, "bars_written": 9, "errors": 1, "last_heartbeat": None},
    }
    assert decode_heartbeat(own) == Heartbeat(
        "data_worker_old",
        WorkerStatus.RUNNING,
        BEAT.sent_at,
        host="",
        pid=0,
        stats=WorkerStats(messages_processed=3, bars_written=9),
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"status": {"code": 2, "name": "RUNNING"}}, "status: an object of 2 keys is no status; allowed: stopped, "),
        ({"timestamp": None}, "timestamp: "),
        ({"node_id": 5}, "node_id: "),
        ({"stats": []}, "stats: "),
        ({"stats": {"uptime_seconds": "long"}}, "uptime_seconds: "),
    ],
)
def test_what_is_no_heartbeat_is_refused_by_the_name_of_its_key(change, named):
    with pytest.raises(SchemaMismatch) as raised:
        decode_heartbeat(strict(encode_heartbeat(BEAT)) | change)
    assert named in str(raised.value)


# -- dead letters ----------------------------------------------------------------------------------------------


def test_a_dead_letter_is_the_original_bytes_with_the_why_and_where_beside():
    given_up = decode_command(
        RawRecord(Partition("ginkgo.data.commands", 1), 7, b"\xff\x00{", {"trace_id": b"t"}, BEAT.sent_at, key=b"\xfe")
    )
    value, headers = encode_dead_letter(
        letter(given_up, reason="不是 UTF-8", attempts=3, traceback="Traceback …", codes=("000001.SZ", "600000.SH"))
    )
    assert value == b"\xff\x00{"
    assert headers == {
        "trace_id": b"t",
        "ginkgo-delivery-id": b"ginkgo.data.commands-1-7",
        "ginkgo-reason": "不是 UTF-8".encode(),
        "ginkgo-error": b"MalformedCommand",
        "ginkgo-topic": b"ginkgo.data.commands",
        "ginkgo-partition": b"1",
        "ginkgo-offset": b"7",
        "ginkgo-origin-topic": b"ginkgo.data.commands",
        "ginkgo-origin-partition": b"1",
        "ginkgo-origin-offset": b"7",
        "ginkgo-attempts": b"3",
        "ginkgo-request-id": b"ginkgo.data.commands-1-7",
        "ginkgo-since": b"2026-08-15T21:10:00.123456+08:00",
        "ginkgo-codes": b"000001.SZ,600000.SH",
        "ginkgo-traceback": "Traceback …".encode(),
        "ginkgo-key": b"\xfe",
    }


def test_a_null_value_is_no_tombstone():
    value, headers = encode_dead_letter(letter(delivered(None)))
    assert (value, headers[str(LetterHeader.NULL)]) == (b"", b"true")
    assert str(LetterHeader.NULL) not in encode_dead_letter(letter(delivered(b"")))[1]


def test_a_dead_letter_of_a_work_record_leaves_the_old_history_behind_but_for_the_first_place():
    back = parked(delivered(PAIR, 7, {"trace_id": b"t"}), 3)
    _, headers = encode_dead_letter(letter(back))
    assert headers["ginkgo-delivery-id"] == b"ginkgo.data.commands-1-7"
    assert (headers["ginkgo-topic"], headers["ginkgo-offset"]) == (b"ginkgo.data.commands.work", b"3")
    assert (headers["ginkgo-origin-topic"], headers["ginkgo-origin-offset"]) == (b"ginkgo.data.commands", b"7")
    assert headers["ginkgo-first-error"] == b"later"
    assert headers["trace_id"] == b"t"
    assert not {"ginkgo-attempt", "ginkgo-piece", "ginkgo-not-before"} & set(headers)


def test_the_identity_of_a_letter_is_its_first_delivery_and_its_codes():
    first, moment = delivered(PAIR, 7), round(SENT.timestamp() * 1000)
    whole = dead_letter_key(letter(first))
    assert whole == dead_letter_key(letter(parked(first, 3))) == f"ginkgo.data.commands-1-7@{moment}"
    # The same place in a topic made anew under its name.
    later = replace(first, first_delivered=SENT + timedelta(days=3))
    assert dead_letter_key(letter(later)) != whole
    one = dead_letter_key(letter(first, codes=("000001.SZ", "600000.SH")))
    assert one == dead_letter_key(letter(parked(first, 3), codes=("600000.SH", "000001.SZ")))
    assert len({whole, one, dead_letter_key(letter(first, codes=("000001.SZ",)))}) == 3


def test_the_cut_form_is_small_whatever_the_command_was():
    whole = b"x" * 1_000_000
    codes = tuple(f"{n:06d}.SZ" for n in range(20_000))
    huge = letter(
        delivered(whole, 7, {"baggage": b"b" * 500_000}), reason="给" * 100_000, traceback="t" * 500_000, codes=codes
    )
    value, headers = encode_cut_dead_letter(huge)
    assert value == whole[: 64 * 1024]
    assert headers["ginkgo-cut-length"] == b"1000000"
    assert headers["ginkgo-cut-sha256"] == hashlib.sha256(whole).hexdigest().encode()
    assert (headers["ginkgo-topic"], headers["ginkgo-partition"], headers["ginkgo-offset"]) == (
        b"ginkgo.data.commands",
        b"1",
        b"7",
    )
    assert len(value) + sum(len(name) + len(text) for name, text in headers.items()) < 128 * 1024


# -- strict JSON -----------------------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"


def test_every_value_becomes_strict_json():
    cyclic = {}
    cyclic["self"] = cyclic
    told = {
        "nan": float("nan"),
        "infinity": -math.inf,
        "day": date(2026, 8, 14),
        "time": BEAT.sent_at,
        "span": timedelta(minutes=1.5),
        "enum": Colour.RED,
        "number enum": WorkerStatus.RUNNING,
        "bytes": b"a\xff",
        "text": "给\ud800",
        "set": {"b", "a"},
        "tuple": (1, 2.5, True, None),
        "mapping": MappingProxyType({1: "one", None: "none", date(2026, 8, 14): "day"}),
        "numpy": np.float64("nan"),
        "numpy array": np.array(["2026-08-14"], "datetime64[D]"),
        "numpy numbers": [np.int64(3), np.bool_(True), np.float32(0.5)],
        "decimal": Decimal("0.57"),
        "dataclass": CoverageCounts(1, 2, 3, 4, 5),
        "generator": (n for n in (1, 2)),
    }
    assert strict(plain(told)) == {
        "nan": None,
        "infinity": None,
        "day": "2026-08-14",
        "time": "2026-08-15T21:10:00.123456+08:00",
        "span": 90.0,
        "enum": "red",
        "number enum": 2,
        "bytes": "a\\xff",
        "text": "给?",
        "set": ["a", "b"],
        "tuple": [1, 2.5, True, None],
        "mapping": {"1": "one", "None": "none", "2026-08-14": "day"},
        "numpy": None,
        "numpy array": ["2026-08-14"],
        "numpy numbers": [3, True, 0.5],
        "decimal": "0.57",
        "dataclass": {"expected": 1, "due": 2, "held": 3, "absent": 4, "unexplained": 5},
        "generator": [1, 2],
    }
    assert strict(plain(cyclic))
    assert json.loads(to_bytes({"x": float("nan"), "text": "给\ud800"})) == {"x": None, "text": "给?"}
