"""The documents of docs/ that are generated: up to date, and true of what is really sent and read."""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
import typer
import yaml
from dependency_injector import providers

import ginkgo_data
from contracts.dead_letters import delivered, letter, parked
from contracts.heartbeats import BEAT
from contracts.notifications import ALERT, REPORT
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.heartbeat_wire import encode_heartbeat
from ginkgo_data.adapters.kafka.letter_wire import encode_cut_dead_letter, encode_dead_letter
from ginkgo_data.adapters.kafka.messages import EVENTS
from ginkgo_data.adapters.kafka.report_wire import encode_report
from ginkgo_data.adapters.kafka.wire import DATA_TOPIC, decode_command, encode_command, encode_work
from ginkgo_data.adapters.kafka.wire_out import encode_alert, encode_event
from ginkgo_data.adapters.memory.notifications import InMemoryNotifications
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.commands import (
    CollectAdjustmentFactors,
    CollectBars,
    CollectTicks,
    CommandMessage,
    ProbeHeartbeat,
    ReloadConfig,
    SyncSecurities,
    SyncTradingCalendar,
)
from ginkgo_data.domain.model.delivery import Partition, RawRecord
from ginkgo_data.domain.model.disposition import WorkItem
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.quality import Alert, AlertKind, Severity
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from ginkgo_data.domain.model.worker import Heartbeat, WorkerStats, WorkerStatus
from ginkgo_data.entrypoints import cli, loop
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import LoadedSettings
from ginkgo_data.entrypoints.parts import NoMetrics
from ginkgo_data.entrypoints.reloading import Reloading
from ginkgo_data.entrypoints.settings import Settings
from support.working import A, Working

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONTRACTS = DOCS / "contracts"
AT = datetime(2026, 8, 15, 13, 10, tzinfo=UTC)


def schema(name: str) -> jsonschema.Draft202012Validator:
    """Return the validator of a schema as it is published."""
    found = json.loads((CONTRACTS / name).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


COMMAND, ALERTS, EVENT, HEARTBEAT, REPORTS = (
    schema(f"{name}.schema.json")
    for name in ("command", "alert", "event", "heartbeat", "../schemas/data_worker_quality_report")
)


def sent(message: object) -> object:
    """Return a message after its way through JSON."""
    return json.loads(json.dumps(message, allow_nan=False))


def test_the_documents_are_what_the_program_would_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import write_docs

    documents = write_docs.documents()
    stale = [name for name, text in documents.items() if (DOCS / name).read_text("utf-8") != text]
    assert stale == [], "run: python scripts/write_docs.py"
    kept = {f"contracts/{path.name}" for path in CONTRACTS.iterdir()}
    assert kept == {name for name in documents if name.startswith("contracts/")} | {"contracts/README.md"}
    for name in ("write_docs", "api_reference"):
        sys.modules.pop(name, None)


# -- commands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        CollectBars((A,)),
        CollectBars(None, bare=True),
        CollectBars((A, "600519.SH"), Series(Frequency.MIN5, Adjust.QFQ), start=date(2024, 1, 2), end=date(2024, 1, 3)),
        CollectBars(None, full=True, force=True),
        CollectBars((A,), sessions=7, word="update_data"),
        CollectTicks((A,), full=True, overwrite=True, start=date(2024, 1, 2)),
        CollectAdjustmentFactors(None),
        SyncSecurities(market="沪深", max_age_hours=1.5),
        SyncTradingCalendar(),
        ProbeHeartbeat(),
        ReloadConfig(),
    ],
)
def test_what_we_send_is_a_command(command) -> None:
    COMMAND.validate(json.loads(encode_command(command, "r", AT, trace_id="t")))


UPSTREAMS = [
    # TaskTimer's whole DTO, KafkaService's envelope, the legacy three keys.
    {"command": "bar_snapshot", "timestamp": "2026-08-15T21:10:00.123456", "params": {"full": False, "code": A},
     "source": "task_timer", "correlation_id": None, "trace_id": None, "span_id": None},
    {"command": "tick", "params": {"code": A, "full": True, "overwrite": True}, "message_id": "0a4f",
     "timestamp": "2026-08-15T10:00:00.1", "service": "KafkaService", "version": "1.0"},
    {"command": "trade_day", "params": {}, "timestamp": "2026-08-15T21:10:00Z"},
    {"command": "deploy", "params": {"portfolio_id": "p-1"}, "timestamp": "2026-08-15T21:10:00"},
]  # fmt: skip


@pytest.mark.parametrize("message", UPSTREAMS, ids=lambda message: message["command"])
def test_what_upstream_sends_is_a_command(message: dict[str, object]) -> None:
    COMMAND.validate(message)


# fmt: off
VALUES = [
    None, True, False, -1, 0, 1, 3, 0.5, 19900101, 20240102, 20241340, 1704153600, 10_000, 10_001,
    "", "*", A, "sz000001", " 000001.sz ", "SH.600000", "600000.XSHG", f"{A},SH600000", "AAPL", f"{A},",
    "20240102", " 2024-01-02 ", "2024-01-02 09:30:00", "2024-01-02T09:30:00Z", "2024-13-01", "yesterday",
    "true", " FALSE ", "yes", "7", "1d", "5m", "1M", "qfq", "沪深", "x" * 257,
    [], [A], ["sz000001", " 600000.sh "], ["*"], ["*", A], ["AAPL"], [None], {}, {"a": 1},
]
KEYS = [
    "code", "codes", "start_date", "start", "end_date", "end", "full", "force", "overwrite", "frequency",
    "adjust_type", "adjust", "days", "market", "max_age_hours", "unknown",
]
# fmt: on
WORDS = ["bar_snapshot", "update_data", "tick", "adjustfactor", "stockinfo", "update_selector", "reload"]


@pytest.mark.parametrize("word", WORDS)
def test_whatever_is_read_as_a_command_the_schema_takes(word: str) -> None:
    around = ["timestamp", "request_id", "message_id", "correlation_id", "trace_id", "source", "version"]
    messages = [
        {"command": word, "params": {**code, key: v}} for code in ({}, {"code": A}) for key in KEYS for v in VALUES
    ]
    messages += [{"command": word, "params": {"code": A}, key: value} for key in around for value in VALUES]
    messages += [{"command": word, "params": value} for value in VALUES]
    taken = 0
    for message in messages:
        read = decode_command(RawRecord(Partition(DATA_TOPIC, 0), 0, json.dumps(message).encode(), {}, AT)).body
        if isinstance(read, CommandMessage):
            taken += 1
            COMMAND.validate(message)
    assert 100 < taken < len(messages)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"command": 5},
        {"command": ""},
        {"command": "reload", "params": []},
        {"command": "reload", "timestamp": "yesterday"},
        {"command": "reload", "request_id": "x" * 257},
        {"command": "tick"},
        {"command": "tick", "params": {}},
        {"command": "tick", "params": {"code": "AAPL"}},
        {"command": "bar_snapshot", "params": {"codes": []}},
        {"command": "bar_snapshot", "params": {"start_date": 1704153600}},
        {"command": "bar_snapshot", "params": {"frequency": "1M"}},
        {"command": "bar_snapshot", "params": {"days": 0}},
        {"command": "bar_snapshot", "params": {"full": "yes"}},
        {"command": "update_selector", "params": {"max_age_hours": -1}},
    ],
)
def test_what_no_worker_would_read_is_refused_by_both(message: dict[str, object]) -> None:
    read = decode_command(RawRecord(Partition(DATA_TOPIC, 0), 0, json.dumps(message).encode(), {}, AT)).body
    assert not isinstance(read, CommandMessage)
    assert not COMMAND.is_valid(message)


def test_headers_of_work_and_of_dead_letters_are_all_named() -> None:
    work, dead = schema("work.headers.schema.json"), schema("dead_letter.headers.schema.json")
    fresh = decode_command(RawRecord(Partition(DATA_TOPIC, 0), 7, b'{"command": "reload"}', {"trace_id": b"t"}, AT))
    _, headers = encode_work(WorkItem(fresh, (), attempt=1, piece=0, not_before=AT, reason="the vendor was away"))
    letters = [
        encode_dead_letter(one)[1]
        for one in (
            letter(delivered(b"{}")),
            letter(delivered(b"\xff"), codes=(A,)),
            letter(parked(delivered(b"{}"), 3)),
        )
    ]
    letters += [encode_cut_dead_letter(letter(delivered(b"x" * 100_000)))[1]]
    for validator, found in [(work, headers), *((dead, headers) for headers in letters)]:
        texts = {name: value.decode(errors="replace") for name, value in found.items()}
        validator.validate(texts)
        assert {name for name in texts if name.startswith("ginkgo-")} <= set(validator.schema["properties"])


# -- what we tell ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(AlertKind))
@pytest.mark.parametrize("severity", list(Severity))
def test_an_alert_is_one(kind: AlertKind, severity: Severity) -> None:
    ALERTS.validate(sent(encode_alert(replace(ALERT, kind=kind, severity=severity), "n")))
    ALERTS.validate(sent(encode_alert(Alert(kind, severity, "", "", ALERT.raised_at), "n")))


@pytest.mark.parametrize("status", list(WorkerStatus))
def test_a_heartbeat_is_one(status: WorkerStatus) -> None:
    HEARTBEAT.validate(sent(encode_heartbeat(replace(BEAT, status=status))))
    HEARTBEAT.validate(sent(encode_heartbeat(Heartbeat("a", status, BEAT.sent_at, "h", 1, WorkerStats()))))


def test_a_message_with_a_key_more_or_less_is_none() -> None:
    for validator, message in [
        (ALERTS, sent(encode_alert(ALERT, "n"))),
        (HEARTBEAT, sent(encode_heartbeat(BEAT))),
        (EVENT, sent(encode_event("heartbeat_test_answer", {"request_id": "r"}, "n", AT))),
        (REPORTS, sent(encode_report(REPORT))),
    ]:
        validator.validate(message)
        assert not validator.is_valid({**message, "more": 1})
        for key in message:
            assert not validator.is_valid({name: value for name, value in message.items() if name != key}), key
        if "stats" in message:
            assert not validator.is_valid({**message, "stats": {**message["stats"], "more": 1}})


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[object]]:
    """Return the events of a worker's life, by kind, as they are sent."""
    monkeypatch.setattr(loop, "PROGRESS_EVERY", 0.0)
    stage = Working()
    broker = stage.parts.broker
    for word, params in (
        ("stockinfo", {}),
        ("bar_snapshot", {"code": A, "full": True}),
        ("heartbeat_test", {}),
        ("reload", {}),
    ):
        broker.put(DATA_TOPIC, json.dumps({"command": word, "params": params, "request_id": word}).encode())
    broker.put(DATA_TOPIC, b"no json")
    worker = stage.worker()
    worker.start()
    stage.until(lambda: not broker.pending())
    stage.until(lambda: len(stage.parts.notifications.events) > 6)
    worker.stop(10.0)
    events = list(stage.parts.notifications.events)
    assert worker.stop(10.0)
    HEARTBEAT.validate(sent(encode_heartbeat(worker.observe())))
    found: dict[str, list[object]] = {}
    for kind, data in events + _reloads():
        found.setdefault(kind, []).append(sent(encode_event(kind, data, "node-1", AT)))
    return found


def _reloads() -> list[tuple[str, object]]:
    """Return what a reload tells that changes nothing, one that needs a new start, and one that is refused."""
    notifications = InMemoryNotifications()
    container = Container(settings=Settings())
    silent = SimpleNamespace(raise_alerts=lambda _: None, resolve=lambda *_: None)
    parts = SimpleNamespace(notifications=notifications, clock=SystemClock(), reporter=silent, metrics=NoMetrics())
    container.worker_parts.override(providers.Object(parts))
    renamed = Settings.model_validate({"worker": {"node_id": "other"}})
    answers = iter([Settings(), renamed, ConfigurationError("worker.node_id: no")])

    def read() -> LoadedSettings:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return LoadedSettings(answer, {})

    reloading = Reloading(container, LoadedSettings(Settings(), {}), read)
    for request_id in ("", "r1", "r2"):
        reloading.request("file", request_id)
        assert reloading.attempt() is None
    return list(notifications.events)


def test_every_event_that_a_worker_tells_has_a_shape_and_is_of_it(told: dict[str, list[object]]) -> None:
    assert set(told) == set(EVENTS)
    for messages in told.values():
        for message in messages:
            EVENT.validate(message)
    outcomes = [one for message in told["command_ended"] for one in message["data"]["outcomes"]]
    assert {one["outcome"] for one in outcomes} == {"done", "dead_letter"}
    assert {message["data"]["outcome"] for kind in ("config_reload", "reload_answer") for message in told[kind]} == {
        "unchanged",
        "restart_needed",
        "refused",
    }


def test_an_event_of_the_wrong_shape_is_refused() -> None:
    for kind, data in (("worker_state", {"to": "RUNNING"}), ("command_ended", {"outcomes": [{}]}), ("nonsense", {})):
        assert not EVENT.is_valid(sent(encode_event(kind, data, "n", AT)))


# -- AsyncAPI --------------------------------------------------------------------------------------------------


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = yaml.safe_load((CONTRACTS / "asyncapi.yaml").read_text("utf-8"))
    references = list(_references(document))
    assert len(references) > 20
    for reference in references:
        file, _, path = reference.partition("#")
        if file:
            assert (CONTRACTS / file).is_file(), reference
        found = document
        for name in path.strip("/").split("/") if path else ():
            found = found[name]
    config = KafkaConfig()
    topics = {config.work_topic, config.dead_letter_topic, config.notification_topic, *config.topics}
    assert topics < {channel["address"] for channel in document["channels"].values()}


def _references(node: object):
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


# -- pages written by hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["quickstart.md", "quickstart.zh-CN.md", "gtm.md"])
def test_every_command_of_a_page_is_one_and_every_link_leads_somewhere(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    commands = re.findall(r"^\$ (?:\w+=\S+ )?(?:\S*/)?(?:docker .* )?(ginkgo(?:-data)?) (.*)$", text, re.MULTILINE)
    assert len(commands) >= 2
    apps = {"ginkgo-data": cli.app, "ginkgo": ginkgo_data.worker_app}
    programs = {name: typer.main.get_command(app) for name, app in apps.items()}
    for program, line in commands:
        words = shlex.split(line, comments=True)
        node = programs[program]
        words = words[2:] if program == "ginkgo" else words
        while getattr(node, "commands", None):
            assert words, line
            node = node.commands[words.pop(0)]
        options = {text: option for option in node.params for text in option.opts if text.startswith("-")}
        needed = [one for one in node.params if not one.opts[0].startswith("-") and one.required]
        positional = 0
        while words:
            word = words.pop(0)
            if not word.startswith("-"):
                positional += 1
            elif not options[word].is_flag:
                words.pop(0)
        assert positional >= len(needed), line
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (DOCS / link).exists(), link


def test_both_quickstarts_show_the_same_commands() -> None:
    def shown(page: str) -> list[str]:
        lines = re.findall(r"^\$ (.*?)(?: +#.*)?$", (DOCS / page).read_text("utf-8"), re.MULTILINE)
        return [" ".join(line.split()) for line in lines]

    assert shown("quickstart.md") == shown("quickstart.zh-CN.md")
    assert len(shown("quickstart.md")) > 20
