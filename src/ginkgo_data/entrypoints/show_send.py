# Upstream: entrypoints.{config_cli, operator_cli, quarantine}
# Downstream: adapters.kafka, domain.model, entrypoints, rich
# Role: `ginkgo-data send` on the terminal: the request id, progress while it is waited for, the outcome
"""What a person sees of a command that is sent; with ``--json`` one object on standard output and nothing else.

Exit codes: 0 sent (waited for: done), 1 not sent or not done, 3 not over in time; wrong use is 2, said by the caller.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.errors import TopicMissing
from ginkgo_data.adapters.kafka.probe import probe
from ginkgo_data.adapters.kafka.topic_reader import TopicReader
from ginkgo_data.adapters.kafka.wire_json import parse_object, plain
from ginkgo_data.domain.model.errors import BrokerUnavailable, ConfigurationError, MalformedCommand
from ginkgo_data.domain.model.quality import DataQualityReport
from ginkgo_data.domain.model.worker import WorkerStatus
from ginkgo_data.entrypoints.operator_parts import (
    heartbeats_in,
    opened_producer,
    opened_reader,
    opened_redis,
    operator_kafka,
    operator_settings,
)
from ginkgo_data.entrypoints.request_watch import NOT_DONE, TIMED_OUT, AnswerWatch, OutcomeWatch, Watch
from ginkgo_data.entrypoints.send import BROADCASTS, Outgoing, SendWish, outgoing
from ginkgo_data.entrypoints.settings import Settings
from ginkgo_data.entrypoints.waiting_line import WaitingLine

REPORT_PATIENCE = 5.0
"""Seconds that the figures of an announced report are waited for: it is told after the outcome."""
_TURN = 0.25


def run_send(wish: SendWish, file: Path | None, timeout: float | None, as_json: bool) -> int:
    """Send, wait for the outcome for `timeout` seconds (None: do not wait), show, and return the exit code.

    Raises `MalformedCommand` for wrong use, `ConfigurationError` where the outcome could not be seen, and
    `BrokerUnavailable` when it is not sent for certain.
    """
    settings = operator_settings(file)
    config = operator_kafka(settings)
    sent = outgoing(wish, config)
    probe(config)
    console = Console(highlight=False, stderr=as_json, soft_wrap=True)
    if timeout is None:
        _send(config, sent)
        return _told(console, sent, as_json, {}, 0)
    watch = _watch(settings, sent)
    if watch is None:
        raise BrokerUnavailable(f"no worker is alive, so nobody would answer {sent.command.word}; nothing was sent")
    with opened_reader(config) as reader:
        _look_before_sending(reader, config.notification_topic)
        _send(config, sent)
        if not as_json:
            _say_sent(console, sent)
        code = _wait(console, reader, watch, timeout, as_json)
    return _told(console, sent, as_json, watch.summary(), code)


def _send(config: KafkaConfig, sent: Outgoing) -> None:
    try:
        with opened_producer(config) as producer:
            producer.send(sent.topic, sent.value)
    except TopicMissing as error:
        raise TopicMissing(
            f"nothing was sent: the topic {sent.topic} does not exist; see: ginkgo-data topics status"
        ) from error


def _watch(settings: Settings, sent: Outgoing) -> Watch | None:
    """Return what follows the request, None where nobody would answer."""
    if sent.command.word not in BROADCASTS:
        return OutcomeWatch(sent.request_id)
    with opened_redis(settings) as client:
        leaving = (WorkerStatus.STOPPING, WorkerStatus.STOPPED)
        alive = [beat.node_id for beat in heartbeats_in(client, settings).alive() if beat.status not in leaving]
    return AnswerWatch(sent.request_id, frozenset(alive)) if alive else None


def _look_before_sending(reader: TopicReader, topic: str) -> None:
    try:
        reader.begin_at_ends(topic)
    except TopicMissing as error:
        raise ConfigurationError(
            f"--wait sees the outcome on the notification topic {topic}, which does not exist; nothing was sent. "
            "See: ginkgo-data topics status"
        ) from error


def _wait(console: Console, reader: TopicReader, watch: Watch, timeout: float, as_json: bool) -> int:
    deadline = time.monotonic() + timeout
    with WaitingLine(console, quiet=as_json) as line:
        try:
            _follow(reader, watch, deadline, line, lambda: watch.over)
            if isinstance(watch, OutcomeWatch) and watch.over:
                patience = min(deadline, time.monotonic() + REPORT_PATIENCE)
                _follow(reader, watch, patience, line, lambda: not watch.awaited_reports)
        except KeyboardInterrupt:
            line.say("not waited for any longer; the command stays sent")
            return watch.code if watch.over else TIMED_OUT
    if watch.over:
        return watch.code
    console.print(f"[yellow]not over within {timeout:g} s:[/yellow] {escape(watch.missing())}")
    return TIMED_OUT


def _follow(reader: TopicReader, watch: Watch, deadline: float, line: WaitingLine, enough: Callable[[], bool]) -> None:
    while not enough() and (left := deadline - time.monotonic()) > 0:
        try:
            record = reader.next(min(left, _TURN))
        except BrokerUnavailable as error:
            # The command is sent; a broker that comes back goes on telling.
            line.say(str(error))
            time.sleep(min(left, _TURN))
            continue
        if record is None:
            continue
        try:
            lines = watch.take(parse_object(record.value))
        except MalformedCommand:
            continue  # Others write there too.
        for text in lines:
            line.say(text)
        line.update(watch)


def _told(console: Console, sent: Outgoing, as_json: bool, summary: dict[str, object], code: int) -> int:
    if as_json:
        head = {"request_id": sent.request_id, "command": sent.command.word, "topic": sent.topic, "exit_code": code}
        sys.stdout.write(json.dumps(plain({**head, **summary}), ensure_ascii=False, allow_nan=False) + "\n")
    elif not summary:
        _say_sent(console, sent)
    elif code != TIMED_OUT:
        _say_outcome(console, summary, code)
    return code


def _say_sent(console: Console, sent: Outgoing) -> None:
    console.print(f"sent {escape(sent.command.word)} to {escape(sent.topic)}")
    console.print(f"request id {escape(sent.request_id)}")


def _say_outcome(console: Console, summary: dict[str, object], code: int) -> None:
    reports = summary.get("reports")
    for report in reports if isinstance(reports, list) else ():
        console.print(escape(figures(report)))
    outcomes = summary.get("outcomes")
    for outcome in outcomes if isinstance(outcomes, list) else ():
        if outcome.get("outcome") in ("dead_letter", "ignored"):
            console.print(f"[red]{_word(outcome)}:[/red] {escape(_why(outcome))}")
    console.print("[red]not done[/red]" if code == NOT_DONE else "[green]done[/green]")


def _word(outcome: dict[str, object]) -> str:
    return "given up (dead letter)" if outcome.get("outcome") == "dead_letter" else "ignored"


def _why(outcome: dict[str, object]) -> str:
    codes, total = outcome.get("codes"), outcome.get("codes_total")
    why = ": ".join(str(outcome[name]) for name in ("error", "reason") if outcome.get(name)) or "no reason given"
    if not isinstance(codes, list) or not codes:
        return why
    more = total - len(codes) if isinstance(total, int) else 0
    return f"{why} (codes {', '.join(map(str, codes))}" + (f" and {more} more)" if more > 0 else ")")


def figures(report: DataQualityReport) -> str:
    """Return a report's figures in one line."""
    window = f"{report.window[0]} … {report.window[1]}, " if report.window else ""
    return (
        f"{report.series}: {window}{report.records_actual:,} of {report.records_expected:,} records held, "
        f"missing {report.missing_rate:.2%}, {report.records_written:,} written, {report.records_failed:,} rejected, "
        f"{report.calls:,} calls, {report.duration_seconds:.1f} s"
    )
