"""Every key: its component works with what the file says, without it with the default, and the environment wins."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import clickhouse_connect
import pytest
import yaml
from dependency_injector import providers

from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.tushare.apis import DAILY
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.fetch import FetchRequest, SourceCapabilities, Unknown, UnknownReason
from ginkgo_data.domain.model.series import DAILY as DAILY_BARS
from ginkgo_data.entrypoints.catalogue import entries
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.given import dotted
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.entrypoints.log_output import set_up_logging
from ginkgo_data.entrypoints.worker_wiring import collector_limits

Probe = Callable[[Container], object]


@dataclass(frozen=True)
class Case:
    """A value for the file, what the component then has, another value for the environment, and where to look."""

    file: object
    seen: object
    environment: object
    probe: Probe
    beside: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """What else is in the file."""


def option(kind: str, name: str) -> Probe:
    return lambda c: getattr(c.kafka_config(), f"{kind}_options")()[name]


def kafka(name: str) -> Probe:
    return lambda c: getattr(c.kafka_config(), name)


def worker(name: str) -> Probe:
    return lambda c: getattr(c.worker_options(), name)


def policy(name: str) -> Probe:
    return lambda c: getattr(c.policy(), name)


def tushare(name: str) -> Probe:
    return lambda c: getattr(c.tushare().config, name)


def archive(name: str) -> Probe:
    return lambda c: getattr(c.archive().config, name)


def threshold(name: str) -> Probe:
    return lambda c: getattr(c.reporter().thresholds, name)


def redis(name: str) -> Probe:
    """Return what connections are opened with."""
    return lambda c: c.redis().call("look", lambda client: client.connection_pool.connection_kwargs.get(name))


def spans(c: Container) -> tuple[str, str | None]:
    return type(c.spans()).__name__, c.settings().tracing.otlp_endpoint


class _Opened(BaseException):
    pass


def store(name: str) -> Probe:
    """Return what the client library is called with."""

    def look(container: Container) -> object:
        def get_client(**given: object) -> None:
            raise _Opened(given.get(name))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clickhouse_connect, "get_client", get_client)
            with pytest.raises(_Opened) as opened:
                container.store().connect()
        return opened.value.args[0]

    return look


def kind_of(part: str) -> Probe:
    return lambda c: type(getattr(c, part)()).__name__


@contextmanager
def logged_as(container: Container) -> Iterator[logging.Logger]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = []
    try:
        set_up_logging(container.settings(), "n1")
        yield root
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = before
        root.setLevel(level)


def log(look: Callable[[logging.Logger], object]) -> Probe:
    def probe(container: Container) -> object:
        with logged_as(container) as root:
            return look(root)

    return probe


def log_file(name: str) -> Probe:
    return log(lambda root: getattr(root.handlers[-1], name, None))


def line(root: logging.Logger) -> object:
    record = logging.makeLogRecord({"msg": "said", "levelname": "INFO", "name": "x"})
    return root.handlers[0].format(record).startswith("{")


class Failing:
    """A vendor that never answers."""

    capabilities = SourceCapabilities("failing", frozenset({DAILY_BARS}), row_limit=100)

    def __init__(self) -> None:
        self.asked = 0

    def fetch(self, request: FetchRequest) -> Unknown:
        self.asked += 1
        return Unknown(UnknownReason.SERVER_ERROR, "HTTP 502", calls=1)


def times_of_a_spike(container: Container) -> object:
    return container.collector().rules["volume_spike"].values["times"]


def asked_second(container: Container) -> object:
    """Return who the dispatcher of a worker has asked after a job, None for nobody."""
    opinion = container.dispatcher().second_opinion
    return None if opinion is None else type(opinion.source()._inner).__name__


def asked_in_vain(container: Container) -> object:
    """Return how often a vendor that fails is asked for one call."""
    source, day = Failing(), date(2024, 1, 2)
    container.plain_bar_source.override(providers.Object(source))
    container.clock.override(providers.Object(ManualClock(container.clock().now())))
    container.retrying_bar_source().fetch(FetchRequest(DAILY_BARS, ("000001.SZ",), day, day, Cells.none(), version=1))
    return source.asked


ACCOUNT = {"sources": {"tushare": {"base_url": "http://vendor.example", "token": "t0ken"}}}
TLS = {"clickhouse": {"url": "clickhouses://default@localhost/ginkgo"}}
MEMORY = {"kafka": {"bootstrap_servers": "memory://"}, "redis": {"url": "memory://"}}
ON_SERVERS = ("kafka", "redis", "heartbeat")
"""Sections whose components are looked at as they are with servers; the others need none."""
HERE = str(Path(__file__))
THERE = str(Path(__file__).parent)
FILES = {"sources": {"files": {"path": HERE}}}
SECOND = {**FILES, "quality": {"second_opinion": {"source": "files"}}}

CASES: dict[str, Case] = {
    "worker.node_id": Case("n1", "n1", "n2", lambda c: c.settings().worker.node_id and c.node_id()),
    "worker.group_id": Case("g1", "g1", "g2", option("consumer", "group.id")),
    "worker.topics": Case(
        ["a", "b"], ["a", "b", "ginkgo.data.commands.work"], ["c"], lambda c: c.kafka_config().subscription
    ),
    "worker.auto_offset_reset": Case("latest", "latest", "earliest", option("consumer", "auto.offset.reset")),
    "worker.batch_size": Case(300_000, 300_000, 400_000, lambda c: collector_limits(c.settings()).flush_rows),
    "worker.max_poll_records": Case(7, 7, 8, lambda c: c.worker_options().limits.records),
    "worker.poll_timeout": Case(2.0, 2.0, 3.0, worker("poll_timeout")),
    "worker.concurrency": Case(3, 3, 4, lambda c: c.pool()._max_workers),
    "worker.coalesce_wait": Case(0.25, 0.25, 0.75, worker("coalesce_wait")),
    "worker.round_budget": Case(30.0, 30.0, 20.0, worker("round_budget")),
    "worker.hold_park_after": Case(60.0, 60.0, 70.0, worker("hold_park_after")),
    "worker.give_up_after": Case(600.0, 600.0, 700.0, policy("give_up_after")),
    "worker.fleet_size": Case(1, 190, 2, worker("most_calls")),
    "worker.retry_attempts": Case(5, 5, 6, asked_in_vain),
    "worker.retry_backoff_factor": Case(3.0, 9.0, 4.0, lambda c: c.policy().delay(3)),
    "worker.max_deliveries": Case(9, 9, 8, worker("max_deliveries")),
    "worker.shutdown_timeout": Case(11.0, 11.0, 12.0, lambda c: c.settings().worker.shutdown_timeout),
    "worker.stop_grace_period": Case(60.0, 60.0, 90.0, lambda c: c.settings().worker.stop_grace_period),
    "worker.stall_timeout": Case(300.0, 300.0, 400.0, worker("stall_timeout")),
    "kafka.bootstrap_servers": Case("k1:9", "k1:9", "k2:9", option("producer", "bootstrap.servers")),
    "kafka.group_protocol": Case("consumer", "consumer", "classic", option("consumer", "group.protocol")),
    "kafka.work_topic": Case("w1", "w1", "w2", lambda c: c.kafka_config().subscription[-1]),
    "kafka.dead_letter_topic": Case("d1", "d1", "d2", kafka("dead_letter_topic")),
    "kafka.notification_topic": Case("t1", "t1", "t2", kafka("notification_topic")),
    "kafka.work_partitions": Case(3, 3, 4, kafka("work_partitions")),
    "kafka.max_poll_interval": Case(400.0, 400_000, 500.0, option("consumer", "max.poll.interval.ms")),
    "kafka.session_timeout": Case(50.0, 50_000, 60.0, option("consumer", "session.timeout.ms")),
    "kafka.delivery_timeout": Case(20.0, 20_000, 25.0, option("producer", "message.timeout.ms")),
    "kafka.close_timeout": Case(5.0, 5.0, 6.0, kafka("close_timeout")),
    "kafka.metadata_interval": Case(5.0, 5000, 6.0, option("consumer", "topic.metadata.refresh.interval.ms")),
    "kafka.broadcast_interval": Case(5.0, 5.0, 6.0, kafka("broadcast_interval")),
    "kafka.options": Case(
        {"debug": "broker"}, "broker", {"debug": "topic"}, lambda c: c.kafka_config().consumer_options().get("debug")
    ),
    "redis.url": Case("redis://r1:1/3", "r1", "redis://r2:1/3", redis("host")),
    "redis.password": Case("s3cret-1", "s3cret-1", "s3cret-2", redis("password")),
    "redis.connect_timeout": Case(2.0, 2.0, 3.0, redis("socket_connect_timeout")),
    "redis.timeout": Case(2.0, 2.0, 3.0, redis("socket_timeout")),
    "redis.first_backoff": Case(0.5, 0.5, 0.75, lambda c: c.redis()._config.first_backoff),
    "redis.max_backoff": Case(9.0, 11.0, 8.0, lambda c: c.redis().blind_time),
    "clickhouse.url": Case("clickhouse://u@c1/d", "c1", "clickhouse://u@c2/d", store("host")),
    "clickhouse.password": Case("s3cret-1", "s3cret-1", "s3cret-2", store("password")),
    "clickhouse.password_file": Case("FILE1", "of-file-1", "FILE2", store("password")),
    "clickhouse.ca_cert": Case(HERE, HERE, str(Path(yaml.__file__)), store("ca_cert"), TLS),
    "clickhouse.verify": Case(False, False, True, store("verify"), TLS),
    "clickhouse.compression": Case("zstd", "zstd", "none", store("compress")),
    "clickhouse.layout": Case("ginkgo", "GinkgoBarRepository", "native", kind_of("bar_repository")),
    "clickhouse.connect_timeout": Case(7, 7, 8, store("connect_timeout")),
    "clickhouse.timeout": Case(70, 70, 80, store("send_receive_timeout")),
    "heartbeat.interval": Case(5.0, 5.0, 6.0, worker("heartbeat_interval")),
    "heartbeat.ttl": Case(40.0, 40.0, 50.0, worker("heartbeat_ttl")),
    "heartbeat.key_prefix": Case("p1", "p1", "p2", lambda c: c.heartbeats()._prefix),
    "sources.bars": Case(["files"], "FilesBarSource", ["tushare"], kind_of("plain_bar_source"), {**FILES}),
    "sources.reference": Case(["files"], "FilesReferenceSource", ["tushare"], kind_of("plain_reference_source"), FILES),
    "sources.adjustments": Case(
        ["tushare"],
        "TushareAdjustmentSource",
        [],
        lambda c: c.settings().sources.adjustment_source != "none" and type(c.plain_adjustment_source()).__name__,
        {"sources": {**FILES["sources"], **ACCOUNT["sources"], "bars": ["files"], "reference": ["files"]}},
    ),
    "sources.ticks": Case(["files"], "files", [], lambda c: c.settings().sources.tick_source, FILES),
    "sources.tushare.base_url": Case("http://a.example", "http://a.example", "http://b.example", tushare("base_url")),
    "sources.tushare.token": Case("t1", "t1", "t2", lambda c: c.tushare().config.token.get_secret_value()),
    "sources.tushare.calls_per_minute": Case(480, 114, 960, worker("most_calls")),
    "sources.tushare.timeout": Case(9.0, 9.0, 8.0, lambda c: c.tushare()._http.timeout.read),
    "sources.tushare.budget_patience": Case(9.0, 9.0, 8.0, tushare("budget_patience")),
    "sources.tushare.row_limits": Case({"daily": 7}, 7, {"daily": 8}, lambda c: c.tushare().config.row_limit(DAILY)),
    "sources.tushare.codes_per_call": Case(7, 7, 8, tushare("codes_per_call")),
    "sources.tushare.adjustment_codes_per_call": Case(7, 7, 8, tushare("adjustment_codes_per_call")),
    "sources.tushare.by_session": Case(False, False, True, tushare("by_session")),
    "sources.tushare.market_rows": Case(7, 7, 8, tushare("market_rows")),
    "sources.files.path": Case(
        HERE, Path(HERE), THERE, lambda c: c.settings().sources.files and c.archive().config.path
    ),
    "sources.files.format": Case("generic", "generic", "baostock_daily", archive("format"), FILES),
    "sources.files.adjust": Case(
        "qfq", "qfq", "hfq", lambda c: getattr(c.archive().config.adjust, "value", None), FILES
    ),
    "sources.files.frequency": Case(
        "5m", "5m", "1m", lambda c: getattr(c.archive().config.frequency, "value", None), FILES
    ),
    "sources.files.volume_unit": Case("lots", "lots", "shares", archive("volume_unit"), FILES),
    "sources.files.amount_unit": Case("yuan", "yuan", "thousand_yuan", archive("amount_unit"), FILES),
    "sources.files.label": Case("start", "start", "end", archive("label"), FILES),
    "quality.enabled": Case(False, (False, None), True, lambda c: (c.reporter().enabled, c.worker_parts().look())),
    "quality.missing_threshold_warning": Case(0.01, 0.01, 0.02, threshold("missing_warning")),
    "quality.missing_threshold_error": Case(0.3, 0.3, 0.4, threshold("missing_error")),
    "quality.delay_threshold_warning": Case(3.0, 3.0, 4.0, threshold("delay_warning_minutes")),
    "quality.delay_threshold_error": Case(30.0, 30.0, 40.0, threshold("delay_error_minutes")),
    "quality.alert_cooldown": Case(60.0, 60.0, 70.0, lambda c: c.reporter().cooldown),
    "quality.freshness_interval": Case(60.0, 60.0, 70.0, lambda c: c.freshness().interval),
    "quality.freshness_grace": Case(60.0, 3600.0, 70.0, lambda c: c.freshness().grace.total_seconds()),
    "quality.rules": Case({"volume_spike": {"times": 100}}, 100, {"volume_spike": {"times": 50}}, times_of_a_spike),
    "quality.second_opinion.source": Case("files", "FilesBarSource", "none", asked_second, FILES),
    "quality.second_opinion.cells": Case(3, 3, 4, lambda c: c.second_opinion().cells, SECOND),
    "commands.bare_bar_snapshot": Case("ignore", True, "all", lambda c: c.dispatcher().ignore_bare_snapshots),
    "health.port": Case(18081, 18081, 0, lambda c: c.settings().health.port),
    "health.host": Case("0.0.0.0", "0.0.0.0", "::1", lambda c: c.settings().health.host),
    "health.wedged_after": Case(80.0, 80.0, 90.0, worker("call_patience")),
    "tracing.otlp_endpoint": Case(
        "http://a.invalid/v1", ("OpenTelemetrySpans", "http://a.invalid/v1"), "http://b.invalid/v1", spans
    ),
    "logging.level": Case("DEBUG", logging.DEBUG, "ERROR", log(lambda root: root.level)),
    "logging.format": Case("console", False, "json", log(line)),
    "logging.file": Case("LOG1", "LOG1", "LOG2", log_file("baseFilename")),
    "logging.max_bytes": Case(2048, 2048, 4096, log_file("maxBytes"), {"logging": {"file": "LOG1"}}),
    "logging.backup_count": Case(2, 2, 3, log_file("backupCount"), {"logging": {"file": "LOG1"}}),
    "logging.slow_step_seconds": Case(2.5, 2.5, 3.5, worker("slow_step")),
}


def merged(one: Mapping, other: Mapping) -> dict:
    found = dict(one)
    for name, value in other.items():
        deeper = isinstance(value, Mapping) and isinstance(found.get(name), Mapping)
        found[name] = merged(found[name], value) if deeper else value
    return found


def section(key: str, value: object) -> dict[str, object]:
    first, _, rest = key.partition(".")
    return {first: section(rest, value)} if rest else {first: value}


@pytest.fixture
def named(tmp_path):
    """Replace names of files that a case has by paths of this test."""
    names = {name: str(tmp_path / name) for name in ("LOG1", "LOG2", "FILE1", "FILE2")}
    (tmp_path / "FILE1").write_text("of-file-1\n")
    (tmp_path / "FILE2").write_text("of-file-2\n")

    def replaced(value):
        if isinstance(value, Mapping):
            return {name: replaced(below) for name, below in value.items()}
        return names.get(value, value) if isinstance(value, str) else value

    return replaced


def test_every_key_has_a_case():
    assert list(CASES) == [dotted(entry.key) for entry in entries()]


@pytest.mark.parametrize("key", CASES)
def test_the_file_reaches_the_component_its_absence_is_the_default_and_stronger_layers_win(key, tmp_path, named):
    case = CASES[key]
    (entry,) = [entry for entry in entries() if dotted(entry.key) == key]
    beside = merged(ACCOUNT if key.startswith(ON_SERVERS) else {**ACCOUNT, **MEMORY}, named(case.beside))
    in_file, in_environment, seen = named(case.file), named(case.environment), named(case.seen)
    text = json.dumps(in_environment) if not isinstance(in_environment, str) else in_environment
    path = tmp_path / "data_worker.yml"

    def look(values: Mapping, env: Mapping[str, str] | None = None, overrides: Mapping | None = None) -> object:
        path.write_text(yaml.safe_dump(merged(beside, values)))
        loaded = load_settings(path, env or {}, overrides, search=False)
        container = Container(settings=loaded.settings)
        try:
            return case.probe(container)
        finally:
            container.shutdown_resources()

    is_account = key in ("sources.tushare.base_url", "sources.tushare.token")
    default = None if is_account else look({})  # without an account there is no client
    of_file = look(section(key, in_file))
    assert of_file == seen
    assert of_file != default
    of_environment = look(section(key, in_environment))
    assert of_environment != of_file
    env = {entry.environment: text}
    assert look(section(key, in_file), env) == of_environment
    assert (
        look(section(key, in_file), {entry.environment: json.dumps(in_file)}, {key: in_environment}) == of_environment
    )
