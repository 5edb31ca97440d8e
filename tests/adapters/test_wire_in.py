"""Commands as every sender writes them, and everything that is not a command."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ginkgo_data.adapters.kafka.wire import (
    CONTROL_TOPIC,
    DATA_TOPIC,
    KNOWN_FOREIGN,
    WORK_TOPIC,
    decode_command,
    encode_command,
    encode_work,
)
from ginkgo_data.adapters.kafka.work_wire import WorkHeader, due_at
from ginkgo_data.domain.model.commands import (
    CollectAdjustmentFactors,
    CollectBars,
    CollectTicks,
    CommandMessage,
    ForeignCommand,
    ProbeHeartbeat,
    ReloadConfig,
    SyncSecurities,
    SyncTradingCalendar,
)
from ginkgo_data.domain.model.delivery import Delivery, Malformed, Partition, RawRecord
from ginkgo_data.domain.model.disposition import WorkItem
from ginkgo_data.domain.model.errors import MalformedCommand
from ginkgo_data.domain.model.series import Adjust, Frequency, Series

SHANGHAI = ZoneInfo("Asia/Shanghai")
PUT_AT = datetime(2026, 8, 15, 13, 10, 1, tzinfo=UTC)
SENT_AT = datetime(2026, 8, 15, 21, 10, 0, 123456, SHANGHAI)
PING_AN = ("000001.SZ",)
PARAMS = ["code", "codes", "start_date", "end", "frequency", "adjust", "days", "full", "overwrite", "market"]
PARAMS += ["max_age_hours"]


def record(value, topic=DATA_TOPIC, offset=7, **headers):
    return RawRecord(Partition(topic, 2), offset, value, headers, PUT_AT)


def delivered(value, topic=DATA_TOPIC, **headers):
    return decode_command(record(value, topic, **headers))


def message(value, topic=DATA_TOPIC, **headers):
    body = delivered(value, topic, **headers).body
    assert isinstance(body, CommandMessage), body
    return body


def command(word, params=None, topic=DATA_TOPIC):
    return message(json.dumps({"command": word, "params": params}).encode(), topic).command


def malformed(value, topic=DATA_TOPIC, **headers):
    body = delivered(value, topic, **headers).body
    assert isinstance(body, Malformed), body
    assert not body.reason.startswith("unforeseen")
    return body


def refused(word, params):
    """Return why `word` with `params` is no command."""
    found = malformed(json.dumps({"command": word, "params": params}).encode())
    assert (found.error, found.word) == ("MalformedCommand", word)
    return found.reason


# -- the senders -----------------------------------------------------------------------------------------------


def task_timer(word, params):
    """Write a scheduled command as upstream's TaskTimer does: the whole DTO, dumped with its nulls."""
    dto = {
        "command": word,
        "timestamp": "2026-08-15T21:10:00.123456",
        "params": params,
        "source": "task_timer",
        "correlation_id": None,
        "trace_id": None,
        "span_id": None,
    }
    return json.dumps(dto).encode("utf-8")


def kafka_service(word, params):
    """Write a command as `ginkgo data sync --daemon` does: KafkaService adds its metadata at the top level."""
    envelope = {"command": word, "params": params, "message_id": "0a4f6f5e-61c7-4a0b-8f43-2f9d6c3f7f10"}
    return json.dumps(envelope | {"timestamp": "2026-08-15T10:00:00.1", "service": "KafkaService", "version": "1.0"})


def legacy(word, params):
    """Write a command as the REST API does: three keys."""
    return json.dumps({"command": word, "params": params, "timestamp": "2026-08-15T21:10:00.123456"}).encode("utf-8")


def test_task_timers_bytes_are_a_snapshot_of_one_code():
    sent = (
        b'{"command": "bar_snapshot", "timestamp": "2026-08-15T21:10:00.123456", "params": {"full": false, '
        b'"force": false, "code": "000001.SZ"}, "source": "task_timer", "correlation_id": null, '
        b'"trace_id": null, "span_id": null}'
    )
    assert sent == task_timer("bar_snapshot", {"full": False, "force": False, "code": "000001.SZ"})
    assert message(sent) == CommandMessage(
        CollectBars(PING_AN), request_id=f"{DATA_TOPIC}-2-7", sent_at=SENT_AT, source="task_timer"
    )


@pytest.mark.parametrize(
    ("word", "params", "expected"),
    [
        ("stockinfo", {}, SyncSecurities()),
        ("adjustfactor", {"code": "000001.SZ"}, CollectAdjustmentFactors(PING_AN)),
        ("tick", {"full": False, "overwrite": False, "code": "000001.SZ"}, CollectTicks(PING_AN)),
        ("update_selector", {}, SyncSecurities(max_age_hours=12.0, word="update_selector")),
        ("paper_trading", {}, ForeignCommand("paper_trading")),
    ],
)
def test_every_job_of_task_timer_is_understood(word, params, expected):
    assert message(task_timer(word, params)).command == expected


@pytest.mark.parametrize(
    ("word", "params", "expected"),
    [
        ("bar_snapshot", {"code": "000001.SZ", "full": True, "force": False}, CollectBars(PING_AN, full=True)),
        (
            "bar_snapshot",
            {"code": "000001.SZ", "full": True, "force": True},
            CollectBars(PING_AN, full=True, force=True),
        ),
        ("stockinfo", {}, SyncSecurities()),
        ("trade_day", {}, SyncTradingCalendar()),
        (
            "adjustfactor",
            {"code": "000001.SZ", "full": True, "force": True},
            CollectAdjustmentFactors(PING_AN, full=True, force=True),
        ),
        (
            "tick",
            {"code": "000001.SZ", "full": True, "overwrite": True},
            CollectTicks(PING_AN, full=True, overwrite=True),
        ),
    ],
)
def test_every_signal_of_the_command_line_is_understood(word, params, expected):
    found = message(kafka_service(word, params).encode("utf-8"))
    assert found.command == expected
    assert found.request_id == "0a4f6f5e-61c7-4a0b-8f43-2f9d6c3f7f10"
    assert found.sent_at == datetime(2026, 8, 15, 10, 0, 0, 100_000, SHANGHAI)
    assert found.source == ""


def test_the_legacy_three_keys_are_understood():
    found = message(legacy("trade_day", {}))
    assert (found.command, found.sent_at) == (SyncTradingCalendar(), SENT_AT)


def test_a_deploy_of_the_api_is_a_neighbours():
    sent = legacy("deploy", {"portfolio_id": "p-1"})
    assert message(sent, CONTROL_TOPIC).command == ForeignCommand("deploy")


def test_the_specifications_own_example_is_understood():
    sent = {
        "command": "bar_snapshot",
        "timestamp": "2026-08-15T13:10:00.123456Z",
        "request_id": "7d5f1d8e-7a5b-4f0e-9e0b-2f9d6c3f7f10",
        "params": {
            "codes": ["000001.SZ", "600000.SH"],
            "start_date": "20240102",
            "end_date": "20241231",
            "frequency": "5m",
            "adjust_type": "qfq",
        },
    }
    found = message(json.dumps(sent).encode(), CONTROL_TOPIC)
    assert found.command == CollectBars(
        ("000001.SZ", "600000.SH"),
        Series(Frequency.MIN5, Adjust.QFQ),
        start=date(2024, 1, 2),
        end=date(2024, 12, 31),
    )
    assert found.request_id == "7d5f1d8e-7a5b-4f0e-9e0b-2f9d6c3f7f10"
    assert found.sent_at == SENT_AT
    assert found.sent_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("wrap", [lambda sent: sent, lambda sent: json.dumps(sent.decode()).encode()])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_command_encoded_twice_or_behind_a_byte_order_mark_is_the_same(wrap, mark):
    sent = task_timer("bar_snapshot", {"full": False, "force": False, "code": "000001.SZ"})
    assert message(mark + wrap(sent)) == message(sent)


def test_a_byte_order_mark_inside_a_command_encoded_twice_is_dropped():
    assert message(json.dumps("\ufeff" + '{"command": "reload"}').encode()).command == ReloadConfig()


def test_escaped_and_plain_chinese_are_the_same():
    sent = {"command": "stockinfo", "params": {"market": "沪深"}, "source": "任务"}
    for value in (json.dumps(sent).encode(), json.dumps(sent, ensure_ascii=False).encode()):
        assert message(value).command == SyncSecurities(market="沪深")
        assert message(value).source == "任务"


def test_keys_nobody_knows_are_ignored():
    sent = {"command": "reload", "version": 3, "params": {"verbose": {"a": [1]}}, "x": None}
    assert message(json.dumps(sent).encode()).command == ReloadConfig()


def test_null_params_and_no_params_are_no_params():
    assert command("trade_day", None) == message(b'{"command":"trade_day"}').command == SyncTradingCalendar()


def test_a_null_parameter_is_one_that_was_not_given():
    nulls = dict.fromkeys([*PARAMS, "force", "start", "end_date", "adjust_type"])
    for word in ("bar_snapshot", "update_data", "update_selector", "stockinfo"):
        assert command(word, nulls) == command(word, {})


# -- envelope --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"request_id": "r", "message_id": "m", "correlation_id": "c"}, "r"),
        ({"request_id": None, "message_id": "m", "correlation_id": "c"}, "m"),
        ({"request_id": "", "correlation_id": "c"}, "c"),
        ({"request_id": 42}, "42"),
        ({}, f"{DATA_TOPIC}-2-7"),
    ],
)
def test_a_request_is_known_by_the_first_id_that_it_has(ids, expected):
    found = delivered(json.dumps({"command": "reload", **ids}).encode())
    assert found.request_id == expected
    assert found.body.correlation_id == ids.get("correlation_id")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-08-15T21:10:00.123456", SENT_AT),
        ("2026-08-15 21:10:00.123456", SENT_AT),
        ("2026-08-15T13:10:00.123456Z", SENT_AT),
        ("2026-08-15T09:10:00.123456-04:00", SENT_AT),
        ("2026-08-15", datetime(2026, 8, 15, tzinfo=SHANGHAI)),
        (None, PUT_AT),
    ],
)
def test_a_naive_time_is_shanghais_and_a_missing_one_the_records(text, expected):
    assert message(json.dumps({"command": "reload", "timestamp": text}).encode()).sent_at == expected


@pytest.mark.parametrize("bad", ["yesterday", 1755263400, 1755263400.5, "1970-01-01T00:00:00", "2026-13-01", True, {}])
def test_a_time_that_is_none_is_refused(bad):
    reason = malformed(json.dumps({"command": "reload", "timestamp": bad}).encode()).reason
    assert reason.startswith("timestamp: ")
    assert "allowed: ISO" in reason


def test_a_record_without_any_time_is_sent_now():
    before = datetime.now(UTC)
    body = decode_command(RawRecord(Partition(DATA_TOPIC, 0), 0, b'{"command":"reload"}')).body
    assert before <= body.sent_at <= datetime.now(UTC)


TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ({"trace_id": "dto"}, {"trace_id": b"header", "traceparent": TRACEPARENT}, "dto"),
        ({"trace_id": None}, {"trace_id": b"header", "traceparent": TRACEPARENT}, "header"),
        ({}, {"traceparent": TRACEPARENT}, "4bf92f3577b34da6a3ce929d0e0e4736"),
        ({}, {"trace_id": b"\xff", "traceparent": b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01"}, None),
        ({}, {"traceparent": b"nonsense"}, None),
    ],
)
def test_the_trace_comes_from_the_command_else_from_ginkgos_header_else_from_w3cs(body, headers, expected):
    assert message(json.dumps({"command": "reload", **body}).encode(), **headers).trace_id == expected


def test_the_words_without_parameters():
    assert command("heartbeat_test") == ProbeHeartbeat()
    assert command("reload") == ReloadConfig()
    assert command("trade_day", {"code": 5}) == SyncTradingCalendar()


@pytest.mark.parametrize("topic", [CONTROL_TOPIC, DATA_TOPIC])
@pytest.mark.parametrize("word", sorted(KNOWN_FOREIGN))
def test_a_neighbours_command_is_foreign_however_it_is_written(word, topic):
    sent = {"command": word, "params": [1, 2], "timestamp": "soon", "request_id": {"a": 1}}
    found = delivered(json.dumps(sent).encode(), topic)
    assert found.body == CommandMessage(ForeignCommand(word), f"{topic}-2-7", PUT_AT)


def test_a_word_nobody_knows_is_foreign_on_the_shared_topic_and_an_error_on_ours():
    sent = b'{"command":"defragment","request_id":"r"}'
    assert message(sent, CONTROL_TOPIC).command == ForeignCommand("defragment")
    for topic in (DATA_TOPIC, WORK_TOPIC):
        found = malformed(sent, topic)
        assert (found.error, found.word, found.request_id) == ("UnknownCommand", "defragment", "r")
        assert "'defragment' is unknown; allowed: adjustfactor, bar_snapshot" in found.reason


def test_our_own_words_are_checked_on_the_shared_topic_too():
    assert malformed(b'{"command":"tick","params":{}}', CONTROL_TOPIC).error == "MalformedCommand"


# -- codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"code": "sz000001"}, PING_AN),
        ({"code": " 000001.sz "}, PING_AN),
        ({"codes": "000001.SZ,SH600000"}, ("000001.SZ", "600000.SH")),
        ({"code": ["600000.SH", "000001.SZ"]}, ("600000.SH", "000001.SZ")),
        ({"codes": ["600000.SH", "000001.SZ", "sh600000", "600000.XSHG"]}, ("600000.SH", "000001.SZ")),
        ({"code": None, "codes": ["000001.SZ"]}, PING_AN),
        ({"code": "000001.SZ", "codes": ["SZ000001"]}, PING_AN),
    ],
)
def test_codes_come_in_any_form_and_leave_canonical_once_and_in_order(params, expected):
    assert command("bar_snapshot", params) == CollectBars(expected)


@pytest.mark.parametrize("everything", [{"codes": ["*"]}, {"codes": "*"}, {"code": "*"}])
def test_every_security_can_be_asked_for_by_name(everything):
    assert command("bar_snapshot", everything | {"full": True}) == CollectBars(None, full=True)
    assert command("update_data", everything | {"force": 1}) == CollectBars(
        None, sessions=5, force=True, word="update_data"
    )
    assert command("adjustfactor", everything) == CollectAdjustmentFactors(None)
    assert command("tick", everything) == CollectTicks(None)


def test_without_codes_a_snapshot_is_bare():
    for params in (None, {}, {"code": None, "codes": None, "full": False}):
        assert command("bar_snapshot", params) == CollectBars(None, bare=True)


@pytest.mark.parametrize("flag", ["full", "force", "overwrite"])
@pytest.mark.parametrize("word", ["bar_snapshot", "update_data"])
def test_a_bare_command_is_never_the_whole_market_in_full(word, flag):
    assert 'with codes ["*"] for every security' in refused(word, {flag: True})


@pytest.mark.parametrize("word", ["adjustfactor", "tick"])
def test_a_word_that_needs_a_code_says_so(word):
    for params in ({}, {"code": None}):
        assert refused(word, params).startswith("params.code: missing; allowed: ")
    assert refused(word, {"code": ""}).startswith("params.code: ")


@pytest.mark.parametrize(
    "bad", ["", "*,000001.SZ", "000001", "000001.SZ,", "AAPL", [], ["*", "000001.SZ"], [None], 600000, {}, True]
)
def test_codes_that_are_none_are_refused(bad):
    assert refused("bar_snapshot", {"codes": bad}).startswith("params.codes: ")


def test_digits_of_other_scripts_are_no_code():
    assert refused("bar_snapshot", {"code": "０００００１.SZ"}).startswith("params.code: 1 of 1 codes are not")


def test_every_bad_code_among_many_is_named():
    reason = refused("bar_snapshot", {"codes": ["000001.SZ", "AAPL", "600000.SH", "", "600519"]})
    assert "3 of 5 codes are not securities' codes: 'AAPL', '', '600519'; allowed: " in reason


def test_the_list_of_bad_codes_is_bounded():
    reason = refused("bar_snapshot", {"codes": [f"bad-{n}" * 50 for n in range(5000)]})
    assert "5000 of 5000 codes" in reason
    assert " and 4980 more; " in reason
    assert len(reason) < 3000


def test_one_name_or_the_other_but_not_two_that_differ():
    assert "code and codes are both given and differ" in refused(
        "bar_snapshot", {"code": "000001.SZ", "codes": ["600000.SH"]}
    )
    assert "start_date and start are both given and differ" in refused(
        "tick", {"code": "*", "start_date": 20240102, "start": "2024-01-03"}
    )
    assert "adjust_type and adjust are both given" in refused("bar_snapshot", {"adjust": "qfq", "adjust_type": "none"})


def test_twenty_thousand_codes_are_one_command():
    codes = tuple(f"{n:06d}.SZ" for n in range(20_000))
    assert command("bar_snapshot", {"codes": list(codes)}) == CollectBars(codes)


# -- the other parameters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "20240102",
        20240102,
        "2024-01-02",
        "2024-01-02T00:00:00",
        "2024-01-02 23:59:59.999",
        "2024-01-01T16:00:00Z",
        "2024-01-02T23:00:00+08:00",
    ],
)
@pytest.mark.parametrize(("first", "last"), [("start_date", "end_date"), ("start", "end")])
def test_a_day_comes_in_any_form_and_is_shanghais(text, first, last):
    found = command("bar_snapshot", {"code": "*", first: text, last: text})
    assert (found.start, found.end) == (date(2024, 1, 2), date(2024, 1, 2))


@pytest.mark.parametrize(
    "bad",
    [
        19000101,
        "19891231",
        "1970-01-01",
        1704067200,
        "1704067200",
        20240102.0,
        20240230,
        "2024-02-30",
        "2024/01/02",
        "2024-W01-1",
        "２０２４０１０２",
        "",
        "today",
        True,
        [20240102],
        "0001-01-01T00:00:00+14:00",
    ],
)
@pytest.mark.parametrize("key", ["start_date", "end_date", "start", "end"])
def test_what_is_no_day_from_1990_on_is_refused_and_never_an_epoch(key, bad):
    reason = refused("bar_snapshot", {"code": "000001.SZ", key: bad})
    assert reason.startswith(f"params.{key}: ")
    assert "no day from 1990-01-01 on; allowed: YYYYMMDD" in reason


def test_a_range_that_ends_before_it_starts_is_refused():
    reason = refused("tick", {"code": "*", "start": 20240105, "end_date": "2024-01-02"})
    assert "start 2024-01-05 is after end_date 2024-01-02; allowed: " in reason


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (True, True),
        ("true", True),
        ("True", True),
        (1, True),
        (False, False),
        ("false", False),
        (0, False),
        (None, False),
    ],
)
def test_a_flag_comes_in_any_form(wire, expected):
    assert command("bar_snapshot", {"code": "*", "full": wire}).full is expected
    assert command("bar_snapshot", {"code": "*", "force": wire}).force is expected
    assert command("bar_snapshot", {"code": "*", "overwrite": wire}).force is expected
    assert command("tick", {"code": "*", "overwrite": wire}).overwrite is expected
    assert command("tick", {"code": "*", "force": wire}).overwrite is expected


@pytest.mark.parametrize("bad", ["yes", 2, -1, 1.5, [], ""])
def test_what_is_no_flag_is_refused(bad):
    assert refused("bar_snapshot", {"code": "*", "full": bad}).startswith("params.full: ")


@pytest.mark.parametrize("frequency", list(Frequency))
@pytest.mark.parametrize("key", ["adjust", "adjust_type"])
def test_the_words_of_frequency_and_adjustment(frequency, key):
    for adjust in Adjust:
        found = command("bar_snapshot", {"code": "*", "frequency": frequency.value, key: adjust.value})
        assert found.series == Series(frequency, adjust)


@pytest.mark.parametrize("bad", ["1D", "1M", "day", "DAY1", 1, 5, "", "2m", True, []])
def test_another_word_for_a_frequency_is_refused(bad):
    reason = refused("bar_snapshot", {"code": "*", "frequency": bad})
    assert reason.startswith("params.frequency: ")
    assert reason.endswith("allowed: 1d, 1m, 5m, 15m, 30m, 60m")


def test_another_word_for_an_adjustment_is_refused():
    assert refused("update_data", {"adjust": "QFQ"}) == "params.adjust: 'QFQ' is unknown; allowed: none, qfq, hfq"


def test_update_data_looks_back_five_sessions_unless_told_otherwise():
    assert command("update_data") == CollectBars(None, sessions=5, bare=True, word="update_data")
    assert command("update_data", {"days": 20}).sessions == command("update_data", {"days": "20"}).sessions == 20
    assert command("update_data", {"start_date": 20240102}).sessions is None
    assert command("bar_snapshot", {"code": "*", "days": 3}).sessions == 3
    assert command("bar_snapshot", {"code": "*"}).sessions is None


@pytest.mark.parametrize("bad", [0, -1, 10_001, 1.0, "five", "", True, 10**30])
def test_a_count_of_sessions_is_a_whole_number_from_one(bad):
    reason = refused("update_data", {"days": bad})
    assert reason.startswith("params.days: ")
    assert "from 1 to 10000" in reason


def test_the_universe_is_refreshed_for_a_market_and_at_an_age():
    assert command("stockinfo", {"market": "SSE"}) == SyncSecurities(market="SSE")
    assert command("update_selector", {"max_age_hours": 0}) == SyncSecurities(max_age_hours=0.0, word="update_selector")
    for bad in (-1, "12", True, [1]):
        assert refused("update_selector", {"max_age_hours": bad}).startswith("params.max_age_hours: ")
    assert refused("stockinfo", {"market": ["SSE"]}).startswith("params.market: ")


def test_all_faults_of_a_command_are_named():
    reason = refused("bar_snapshot", {"code": "x", "days": 0, "frequency": "1D"})
    assert [fault.split(":")[0] for fault in reason.split("; params")] == ["params.code", ".frequency", ".days"]


# -- what is no command ----------------------------------------------------------------------------------------

NO_COMMANDS = {
    "null": None,
    "empty": b"",
    "a mark alone": b"\xef\xbb\xbf",
    "not UTF-8": b"\xff\xfe\x00\x01",
    "UTF-16": '{"command":"reload"}'.encode("utf-16"),
    "not JSON": b"reload",
    "cut": b'{"command":"reload"',
    "two": b'{"command":"reload"}{"command":"reload"}',
    "a list": b"[1, 2]",
    "a number": b"42",
    "null in JSON": b"null",
    "a text": b'"reload"',
    "a text of a text": json.dumps(json.dumps('{"command":"reload"}')).encode(),
    "NaN": b'{"command":"reload","x":NaN}',
    "infinity": b'{"command":"reload","x":-Infinity}',
    "a number of too many digits": b'{"command":' + b"9" * 5000 + b"}",
    "deep": b"[" * 200_000,
    "deep inside": b'{"command":"reload","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep inside a text": json.dumps("[" * 100_000).encode(),
    "five megabytes": bytes(range(32, 127)) * 52_632,
    "no word": b'{"params":{}}',
    "a null word": b'{"command":null}',
    "a number for a word": b'{"command":5}',
    "an empty word": b'{"command":""}',
    "half a character for a word": b'{"command":"\\ud800"}',
    "a long word": b'{"command":"' + b"x" * 65 + b'"}',
    "params that are a list": b'{"command":"bar_snapshot","params":[]}',
    "params that are a text": b'{"command":"bar_snapshot","params":"{}"}',
    "an id that is an object": b'{"command":"reload","request_id":{}}',
    "a long id": b'{"command":"reload","request_id":"' + b"x" * 257 + b'"}',
    "a source that is a list": b'{"command":"reload","source":[]}',
}


@pytest.mark.parametrize("what", NO_COMMANDS)
@pytest.mark.parametrize("topic", [DATA_TOPIC, CONTROL_TOPIC])
def test_what_is_no_command_is_malformed_with_a_short_reason(what, topic):
    found = malformed(NO_COMMANDS[what], topic)
    assert found.error == "MalformedCommand"
    assert 0 < len(found.reason) < 500
    assert found.reason.isprintable()


def test_the_record_stays_with_what_cannot_be_read():
    bad = record(b"\xff")
    found = decode_command(bad)
    assert found.record is bad
    assert (found.request_id, found.first_delivered) == (f"{DATA_TOPIC}-2-7", PUT_AT)


def test_even_an_error_nobody_foresaw_stands_in_the_records_place():
    found = decode_command(RawRecord(Partition(DATA_TOPIC, 2), 7, "a text where bytes belong", {}, PUT_AT))
    assert found.body.error == "MalformedCommand"
    assert found.body.reason.startswith("unforeseen AttributeError: ")


@given(st.binary(max_size=200), st.sampled_from([DATA_TOPIC, CONTROL_TOPIC, WORK_TOPIC]))
@settings(max_examples=100, deadline=None)
def test_no_bytes_raise(value, topic):
    malformed(value, topic)


WORDS = ["bar_snapshot", "update_data", "update_selector", "stockinfo", "adjustfactor", "tick", "reload", "deploy", "x"]
ANY_TEXT = st.text(st.characters(codec=None), max_size=12)  # lone surrogates too
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(["*", "000001.SZ", "20240102"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
ENVELOPE = st.fixed_dictionaries(
    {"command": st.sampled_from(WORDS) | JSON},
    optional={
        "params": st.dictionaries(st.sampled_from(PARAMS), JSON, max_size=4) | JSON,
        "timestamp": JSON,
        "request_id": JSON,
        "source": JSON,
        "trace_id": JSON,
    },
)


@given(ENVELOPE | JSON, st.sampled_from([DATA_TOPIC, CONTROL_TOPIC]))
@settings(max_examples=80, deadline=None)
def test_no_json_raises_and_what_comes_out_can_be_written_as_utf8(value, topic):
    found = delivered(json.dumps(value).encode(), topic)
    if isinstance(found.body, Malformed):
        assert not found.body.reason.startswith("unforeseen"), found.body.reason
        assert len(found.body.reason) < 5000
    repr(found.body).encode("utf-8")
    found.request_id.encode("utf-8")


# -- our own sender --------------------------------------------------------------------------------------------

CODES = st.lists(
    st.builds(lambda n, exchange: f"{n:06d}.{exchange}", st.integers(0, 999_999), st.sampled_from(["SH", "SZ", "BJ"])),
    min_size=1,
    max_size=5,
    unique=True,
).map(tuple)
SELECTED = st.none() | CODES
DAYS = st.none() | st.dates(date(1990, 1, 1), date(2100, 1, 1))
RANGES = st.tuples(DAYS, DAYS).map(lambda pair: pair if None in pair else tuple(sorted(pair)))
SERIES = st.builds(Series, st.sampled_from(Frequency), st.sampled_from(Adjust))
SESSIONS = st.none() | st.integers(1, 10_000)


@st.composite
def snapshots(draw):
    word = draw(st.sampled_from(["bar_snapshot", "update_data"]))
    codes = draw(SELECTED)
    start, end = draw(RANGES)
    sessions = draw(SESSIONS)
    if word == "update_data" and sessions is None and start is None and end is None:
        sessions = 5
    bare = codes is None and draw(st.booleans())
    full, force = (False, False) if bare else (draw(st.booleans()), draw(st.booleans()))
    return CollectBars(codes, draw(SERIES), start, end, sessions, full, force, bare, word)


@st.composite
def tick_commands(draw):
    start, end = draw(RANGES)
    return CollectTicks(draw(SELECTED), draw(st.booleans()), draw(st.booleans()), start, end)


MARKETS = st.none() | st.sampled_from(["SSE", "SZSE", "沪"])
HOURS = st.floats(0, 1e6, allow_nan=False)
COMMANDS = st.one_of(
    snapshots(),
    tick_commands(),
    st.builds(CollectAdjustmentFactors, SELECTED, st.booleans(), st.booleans()),
    st.builds(SyncSecurities, MARKETS, st.none() | HOURS, st.just("stockinfo")),
    st.builds(SyncSecurities, MARKETS, HOURS, st.just("update_selector")),
    st.sampled_from([SyncTradingCalendar(), ProbeHeartbeat(), ReloadConfig(), ForeignCommand("deploy")]),
)
# From 1992 on: before, Shanghai had summer time, and Python never calls a doubtful hour equal in two zones.
TIMES = st.datetimes(
    datetime(1992, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.sampled_from([SHANGHAI, UTC, timezone(timedelta(hours=-4))]),
)
IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(COMMANDS, IDS, TIMES, IDS, st.none() | IDS, st.none() | IDS)
@settings(max_examples=80, deadline=None)
def test_what_we_send_is_what_we_read(sent, request_id, sent_at, source, correlation_id, trace_id):
    value = encode_command(sent, request_id, sent_at, source, correlation_id=correlation_id, trace_id=trace_id)
    found = message(value)
    assert found == CommandMessage(sent, request_id, sent_at, source, trace_id, correlation_id)
    assert found.sent_at.utcoffset() is not None


def test_we_send_the_whole_dto_with_a_request_id():
    value = encode_command(CollectBars(PING_AN, sessions=3), "r-1", SENT_AT, "cli")
    assert json.loads(value) == {
        "command": "bar_snapshot",
        "timestamp": "2026-08-15T21:10:00.123456+08:00",
        "params": {
            "code": "000001.SZ",
            "full": False,
            "force": False,
            "days": 3,
            "frequency": "1d",
            "adjust_type": "none",
        },
        "source": "cli",
        "correlation_id": None,
        "trace_id": None,
        "span_id": None,
        "request_id": "r-1",
    }


@pytest.mark.parametrize(
    "unsayable",
    [
        CollectBars(None, full=True, bare=True),
        CollectBars(("abc",)),
        CollectBars(()),
        CollectBars(("000001.SZ", "000001.SZ")),
        CollectBars(PING_AN, start=date(2024, 1, 2), end=date(2024, 1, 1)),
        CollectBars(PING_AN, word="update_data"),
        CollectBars(PING_AN, sessions=0),
        SyncSecurities(word="update_selector"),
    ],
)
def test_a_command_that_no_message_says_is_not_sent(unsayable):
    with pytest.raises(MalformedCommand):
        encode_command(unsayable, "r", SENT_AT)


def test_a_time_without_a_zone_is_not_sent():
    with pytest.raises(MalformedCommand, match="has no zone"):
        encode_command(ReloadConfig(), "r", datetime(2026, 8, 15))


# -- work records ----------------------------------------------------------------------------------------------


def test_a_work_record_tells_the_history_of_its_command():
    first = decode_command(record(b'{"command":"bar_snapshot","params":{"codes":["*"]}}', offset=3, trace_id=b"t"))
    due = datetime(2026, 8, 15, 13, 15, tzinfo=UTC)
    value, headers = encode_work(WorkItem(first, ("000001.SZ",), 2, 5, due, "给不出来"))
    assert headers == {
        "trace_id": b"t",
        "ginkgo-delivery-id": f"{DATA_TOPIC}-2-3".encode(),
        "ginkgo-attempt": b"2",
        "ginkgo-piece": b"5",
        "ginkgo-since": b"2026-08-15T13:10:01+00:00",
        "ginkgo-not-before": b"2026-08-15T13:15:00+00:00",
        "ginkgo-reason": "给不出来".encode(),
        "ginkgo-first-error": "给不出来".encode(),
        "ginkgo-origin-topic": DATA_TOPIC.encode(),
        "ginkgo-origin-partition": b"2",
        "ginkgo-origin-offset": b"3",
    }
    parked = RawRecord(Partition(WORK_TOPIC, 1), 99, value, headers, due)
    back = decode_command(parked)
    assert (back.attempt, back.piece, back.first_delivered) == (2, 5, PUT_AT)
    assert (back.body.command, back.body.trace_id) == (CollectBars(PING_AN), "t")
    assert back.request_id == first.request_id == f"{DATA_TOPIC}-2-3"
    assert due_at(parked) == due
    assert due_at(first.record) is None


def parked_again(delivery, reason, drop=()):
    """Return `delivery` as it comes back from the work topic, `drop` of its headers lost."""
    value, headers = encode_work(WorkItem(delivery, (), 1, 1, PUT_AT, reason))
    kept = {name: header for name, header in headers.items() if name not in drop}
    return decode_command(RawRecord(Partition(WORK_TOPIC, 1), 99, value, kept, PUT_AT))


def test_a_delivery_knows_the_first_record_of_its_command():
    first = decode_command(record(b'{"command":"trade_day"}', offset=3))
    again = parked_again(parked_again(first, "quota"), "outage")
    assert (first.origin, first.delivery_id) == ("", f"{DATA_TOPIC}-2-3")
    assert again.origin == again.delivery_id == first.delivery_id
    unread = decode_command(record(b"{}", WORK_TOPIC, **{"ginkgo-delivery-id": b"a-0-1", "ginkgo-attempt": b"many"}))
    assert (unread.body.__class__, unread.origin) == (Malformed, "a-0-1")


def test_the_first_error_and_the_first_place_are_kept_however_often_a_command_is_parked():
    first = decode_command(record(b'{"command":"trade_day"}', offset=3))
    headers = parked_again(parked_again(parked_again(first, "quota"), "outage"), "held").record.headers
    assert (headers["ginkgo-first-error"], headers["ginkgo-reason"]) == (b"quota", b"held")
    assert (headers["ginkgo-origin-topic"], headers["ginkgo-origin-offset"]) == (DATA_TOPIC.encode(), b"3")


def test_a_work_record_without_its_history_is_worked_all_the_same():
    lost = [name for name in WorkHeader if "origin" in name or name is WorkHeader.FIRST_ERROR]
    older = parked_again(decode_command(record(b'{"command":"trade_day"}', offset=3)), "quota", drop=lost)
    assert older.body.command == SyncTradingCalendar()
    headers = parked_again(older, "held").record.headers
    assert headers["ginkgo-first-error"] == b"quota"
    assert "ginkgo-origin-topic" not in headers


@pytest.mark.parametrize("codes", [(), ("000001.SZ",)])
def test_a_command_that_the_worker_gives_to_itself_is_written_out(codes):
    command = CollectBars(None, sessions=5, word="update_data")
    own = Delivery(
        RawRecord(Partition(DATA_TOPIC, 2), 50, None), CommandMessage(command, "expired-1", PUT_AT), origin="expired-1"
    )
    value, headers = encode_work(WorkItem(own, codes, 0, 0, PUT_AT, "records expired"))
    back = decode_command(RawRecord(Partition(WORK_TOPIC, 1), 99, value, headers, PUT_AT))
    assert back.body.command.codes == (codes or None)
    assert back.body.command.sessions == 5
    assert (back.delivery_id, back.request_id) == ("expired-1", "expired-1")
    assert (headers["ginkgo-origin-topic"], headers["ginkgo-origin-offset"]) == (DATA_TOPIC.encode(), b"50")


def test_what_cannot_be_narrowed_goes_back_as_it_is():
    for value in (b'{"command":"trade_day"}', b"\xff", None):
        first = delivered(value)
        parked, _ = encode_work(WorkItem(first, ("000001.SZ",), 0, 1, PUT_AT, "later"))
        assert decode_command(record(parked, WORK_TOPIC)).body.__class__ is first.body.__class__


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("tick", CollectTicks(PING_AN, overwrite=True)),
        ("adjustfactor", CollectAdjustmentFactors(PING_AN, force=True)),
        ("bar_snapshot", CollectBars(PING_AN, force=True)),
    ],
)
def test_every_command_with_codes_can_be_narrowed(word, expected):
    first = delivered(json.dumps({"command": word, "params": {"codes": "*", "force": True}}).encode())
    value, headers = encode_work(WorkItem(first, PING_AN, 0, 1, PUT_AT, "later"))
    assert decode_command(RawRecord(Partition(WORK_TOPIC, 0), 0, value, headers)).body.command == expected


def test_a_neighbours_command_parked_from_the_shared_topic_is_still_a_neighbours():
    first = delivered(b'{"command":"defragment"}', CONTROL_TOPIC)
    value, headers = encode_work(WorkItem(first, (), 0, 1, PUT_AT, "held"))
    back = decode_command(RawRecord(Partition(WORK_TOPIC, 0), 0, value, headers, PUT_AT))
    assert back.body.command == ForeignCommand("defragment")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        (WorkHeader.ATTEMPT, b"many"),
        (WorkHeader.PIECE, b"-1"),
        (WorkHeader.PIECE, b"1" * 5000),
        (WorkHeader.SINCE, b"long ago"),
        (WorkHeader.SINCE, b"\xff"),
    ],
)
def test_a_header_of_ours_that_cannot_be_read_is_an_error_that_names_it(name, bad):
    found = malformed(b'{"command":"reload"}', WORK_TOPIC, **{str(name): bad})
    assert found.reason.startswith(f"header {name} is ")
    assert found.reason.isprintable()


def test_a_due_time_that_cannot_be_read_holds_nothing_back():
    assert due_at(record(b"{}", WORK_TOPIC, **{str(WorkHeader.NOT_BEFORE): b"later"})) is None
