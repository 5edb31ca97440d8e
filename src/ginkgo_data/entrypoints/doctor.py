# Upstream: entrypoints.show_doctor
# Downstream: adapters, domain.{model, services}, entrypoints, dependency_injector
# Role: Every part that a worker depends on, asked for real: present, correct, of a version that fits, what to do next
"""What keeps a worker from working, found before it starts.

Each check talks to the thing itself and changes nothing there, but for a database of that name, which is made where
it is missing; one that fails hides no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from dependency_injector import providers

from ginkgo_data.adapters.calendars.layered import LayeredTradingCalendar
from ginkgo_data.adapters.calendars.stored import StoredTradingCalendar
from ginkgo_data.adapters.calendars.xshg import ExchangeCalendarsTradingCalendar
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient, NoDatabaseError, open_client
from ginkgo_data.adapters.clickhouse.reference_repository import ClickHouseReferenceRepository
from ginkgo_data.adapters.clickhouse.schema import check_schema, schema_history
from ginkgo_data.adapters.kafka.probe import probe
from ginkgo_data.adapters.kafka.topics import KafkaTopics
from ginkgo_data.adapters.memory.call_budget import InMemoryCallBudget
from ginkgo_data.adapters.tushare.apis import TRADE_CAL
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.errors import GinkgoDataError
from ginkgo_data.domain.model.fetch import Unknown
from ginkgo_data.domain.services.calendar_horizon import horizon_warning
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import LoadedSettings
from ginkgo_data.entrypoints.operator_parts import opened_redis, operator_kafka
from ginkgo_data.entrypoints.settings import Settings
from ginkgo_data.entrypoints.show_topics import faults_of, line_of

OK, WARNING, FAULT, SKIPPED = "ok", "warning", "fault", "skipped"

OLDEST_CLICKHOUSE = (24, 8)
OLDEST_REDIS = (6, 0)
"""Versions that this was made for; older ones lack statements or commands that are used."""
_MADE = "a worker makes it at its start, and so does: ginkgo-data schema apply"
_ANY_DAY = {"exchange": "SSE", "start_date": "20240102", "end_date": "20240102"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is (`OK` …), what was found, and what to do next (empty: nothing)."""

    subject: str
    state: str
    found: str
    advice: str = ""


def examine(loaded: LoadedSettings) -> Iterator[Finding]:
    """Yield the findings, the configuration first; what it turns off is skipped."""
    settings = loaded.settings
    yield from _configuration(loaded)
    checks: Sequence[tuple[str, Callable[[Settings], Iterator[Finding]], str]] = (
        ("Kafka", _kafka, "start a broker there, or set kafka.bootstrap_servers"),
        ("Redis", _redis, "start Redis there, or set redis.url; a worker works on without it, alone"),
        ("ClickHouse", _clickhouse, "start ClickHouse there, or set clickhouse.url; a worker holds until it answers"),
        ("calendar", _calendar, "ginkgo-data send trade_day, or pip install 'ginkgo-data[calendars]'"),
        ("sources", _sources, "see docs/configuration.md, section sources"),
    )
    for subject, check, advice in checks:
        try:
            yield from check(settings)
        except GinkgoDataError as error:
            yield Finding(subject, FAULT, str(error), advice)
        except Exception as error:  # a check that breaks must not hide the ones behind it
            yield Finding(subject, FAULT, f"{type(error).__name__}: {error}", "this is a bug: please report it")


def _configuration(loaded: LoadedSettings) -> Iterator[Finding]:
    for fault in loaded.faults:
        yield Finding("configuration", FAULT, str(fault), "correct it; until then the default stands in")
    for warning in loaded.warnings:
        yield Finding("configuration", WARNING, warning, "ginkgo-data config init writes a template")
    if not loaded.faults:
        yield Finding("configuration", OK, f"read from {loaded.file}" if loaded.file else "environment and defaults")


def _kafka(settings: Settings) -> Iterator[Finding]:
    if settings.kafka.in_memory:
        yield Finding("Kafka", SKIPPED, "kafka.bootstrap_servers is memory://: a stream inside the process")
        return
    config = operator_kafka(settings)
    probe(config)
    topics = KafkaTopics(config)
    found = topics.status()
    yield Finding("Kafka", OK, f"a broker answers at {config.bootstrap_servers}")
    faults = faults_of(config)
    for line in (line_of(topic, config, faults) for topic in found):
        state = FAULT if line.bad else WARNING if line.advice else OK
        yield Finding(f"topic {line.name}", state, f"{line.state}, {line.partitions or 'no'} partitions", line.advice)


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis.in_memory:
        yield Finding("Redis", SKIPPED, "redis.url is memory://: marks and budgets inside the process")
        return
    with opened_redis(settings) as client:
        server = client.call("look at the server", lambda redis: redis.info("server"))
        memory = client.call("look at its memory", lambda redis: redis.info("memory"))
    version, policy = str(server.get("redis_version", "0")), str(memory.get("maxmemory_policy", "noeviction"))
    yield _versioned("Redis", version, OLDEST_REDIS, settings.redis.url)
    if policy.startswith("allkeys") and int(memory.get("maxmemory", 0)):
        text = f"it may evict any key (maxmemory-policy {policy})"
        yield Finding(
            "Redis memory", WARNING, text, "set noeviction or volatile-ttl: budgets and marks must not vanish"
        )


def _clickhouse(settings: Settings) -> Iterator[Finding]:
    place = settings.clickhouse
    if place.embedded and not (place.directory / "metadata").is_dir():
        yield Finding("ClickHouse", WARNING, f"no database at {place.directory} yet", _MADE)
        return
    try:
        opened = open_client(place, create=False)
    except NoDatabaseError:
        yield Finding("ClickHouse", WARNING, f"no database {place.database} at {place.url} yet", _MADE)
        return
    with closing(opened) as client:
        version = client.query("SELECT version() AS version")["version"][0].as_py()
        yield _versioned("ClickHouse", version, OLDEST_CLICKHOUSE, place.url)
        yield _schema(client)


def _schema(client: ClickHouseClient) -> Finding:
    versions = schema_history(client)
    if unknown := [line.version for line in versions if line.state == "unknown"]:
        text = f"version {max(unknown)} is newer than this program"
        return Finding("schema", FAULT, text, "use the newer release that made it")
    if pending := [str(line.version) for line in versions if line.state == "pending"]:
        text = f"versions {', '.join(pending)} are not applied yet"
        return Finding("schema", WARNING, text, "ginkgo-data schema apply; a worker does so at its start")
    try:
        check_schema(client)
    except GinkgoDataError as error:
        return Finding("schema", FAULT, str(error), "ginkgo-data schema show prints how the tables must be")
    return Finding("schema", OK, f"version {max(line.version for line in versions)}, every table fits")


def _calendar(settings: Settings) -> Iterator[Finding]:
    today = datetime.now(ZoneInfo(EXCHANGE_ZONE)).date()
    place = settings.clickhouse
    text = "there is no database"
    if not place.embedded or (place.directory / "metadata").is_dir():
        with closing(ClickHouseClient(place, create=False)) as client:
            stored = StoredTradingCalendar(ClickHouseReferenceRepository(client))
            try:
                text = horizon_warning(LayeredTradingCalendar(stored, ExchangeCalendarsTradingCalendar), today) or ""
            except GinkgoDataError as error:
                text = str(error)
    if not text:
        yield Finding("calendar", OK, "known for the next 30 days and more")
        return
    package = horizon_warning(ExchangeCalendarsTradingCalendar(), today)
    advice = "ginkgo-data send trade_day stores the vendor's days"
    if package:
        yield Finding("calendar", FAULT, package, advice)
    else:
        yield Finding(
            "calendar", OK, "known for the next 30 days and more by the package exchange_calendars alone", advice
        )


def _sources(settings: Settings) -> Iterator[Finding]:
    sources = settings.sources
    named = {*sources.bars, *(sources.reference or ()), *(sources.adjustments or ()), *sources.ticks}
    if (second := settings.quality.second_opinion.source) is not None:
        named.add(second)
    with closing(_Opened(settings)) as opened:
        if "tushare" in named:
            reply = opened.container.tushare().ask(TRADE_CAL, _ANY_DAY)
            if isinstance(reply, Unknown):
                yield Finding("source tushare", FAULT, reply.detail, "see sources.tushare: base_url, token, timeout")
            else:
                yield Finding("source tushare", OK, f"{sources.tushare.base_url} answers, the token is known")
        if "files" in named and sources.files is not None:
            if "files" in sources.bars:
                has = opened.container.plain_bar_source().capabilities
                series = ", ".join(sorted(map(str, has.series))) or "no bars"
                yield Finding("source files", OK, f"{sources.files.path}: {series}")
            else:
                there = sources.files.path.exists()
                state = OK if there else FAULT
                yield Finding("source files", state, f"{sources.files.path} {'is there' if there else 'is missing'}")


def _versioned(subject: str, found: str, oldest: tuple[int, int], place: str) -> Finding:
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if numbers >= oldest:
        return Finding(subject, OK, f"version {found} answers at {place}")
    wanted = ".".join(map(str, oldest))
    return Finding(
        subject, FAULT, f"version {found} at {place} is older than {wanted}", f"upgrade to {wanted} or later"
    )


class _Opened:
    """A container for one check, closed after it."""

    def __init__(self, settings: Settings) -> None:
        self.container = Container(settings=settings)
        # One call of a person's does not wait for the fleet's minute.
        self.container.call_budget.override(providers.Singleton(InMemoryCallBudget, self.container.clock))

    def close(self) -> None:
        self.container.shutdown_resources()
