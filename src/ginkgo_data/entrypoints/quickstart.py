# Upstream: entrypoints.{cli, show_quickstart}
# Downstream: adapters.{files, kafka, memory}, domain.{model, services}, entrypoints, dependency_injector, numpy
# Role: The newcomer's run: real command bytes through the whole house on an embedded engine
"""Quickstart: puts the bytes a real sender would send on the in-memory stream, and works them with a real worker."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from dependency_injector import providers

from ginkgo_data.adapters.files.archive import FileArchive
from ginkgo_data.adapters.kafka.wire import DATA_TOPIC, decode_command, encode_command
from ginkgo_data.adapters.kafka.work_wire import due_at
from ginkgo_data.adapters.memory.bar_source import InMemoryBarSource
from ginkgo_data.adapters.memory.reference_source import InMemoryReferenceSource
from ginkgo_data.domain.model.commands import (
    CollectBars,
    Command,
    CommandMessage,
    ProbeHeartbeat,
    SyncSecurities,
    SyncTradingCalendar,
)
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.errors import CalendarHorizonExceeded, ConfigurationError, SchemaMismatch
from ginkgo_data.domain.model.fetch import FetchRequest, Rows, Unknown
from ginkgo_data.domain.model.known_sessions import FIRST_SESSION
from ginkgo_data.domain.model.quality import DataQualityReport, Rejects
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from ginkgo_data.domain.services.sessions import newest_closed
from ginkgo_data.domain.services.tally import Watch
from ginkgo_data.domain.services.validation import validate
from ginkgo_data.entrypoints.account import QuickstartAccount
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.library import database_url
from ginkgo_data.entrypoints.loading import LoadedSettings, load_settings
from ginkgo_data.entrypoints.sample import make_sample
from ginkgo_data.entrypoints.sections import MEMORY
from ginkgo_data.entrypoints.worker import DataWorker

SAMPLE_DAYS = 365
RECENT_SESSIONS = 5
SMALL_UNIVERSE = 200
"""A live vendor with at most this many securities is collected in full; of a larger one, the newest sessions."""
PATIENCE = 5.0
"""A postponed command that is due within these seconds is waited for."""
HOLD_PATIENCE = 30.0
"""A store that does not answer is waited for this long, in seconds."""

DEFAULT_DIRECTORY = Path("ginkgo-quickstart")


@dataclass(frozen=True, slots=True)
class QuickstartWish:
    """What the command line asked for."""

    source: Path | None = None
    config: Path | None = None
    directory: Path | None = None
    database: str | None = None
    codes: tuple[str, ...] | None = None
    start: date | None = None
    end: date | None = None
    adjust: Adjust | None = None
    force: bool = False


class Quickstart:
    """One run: opens the stack, sends commands, waits for their ends, gives an account."""

    def __init__(self, wish: QuickstartWish) -> None:
        self._wish = wish
        self._synthetic = wish.source is None and wish.config is None
        self._loaded = self._load()
        self._sent = 0

    @property
    def database(self) -> str:
        """Address of the database in use."""
        return self._loaded.settings.clickhouse.url

    @property
    def origin(self) -> str:
        """Where the bars come from, for people."""
        if self._synthetic:
            return "a SYNTHETIC sample (made up, on real XSHG sessions)"
        return str(self._wish.source or ", ".join(self._loaded.settings.sources.bars))

    def run(self, watch: Watch | None = None, told: Callable[[Command], None] | None = None) -> QuickstartAccount:
        """Work the commands to their ends and return what came of it.

        `watch` sees the progress of calls, `told` each command sent. Raises what opening the parts raises.
        """
        started = time.monotonic()
        with self._open() as container:
            if self._wish.source is not None:
                container.archive().entries()  # what cannot be read is said before anything is sent
            worker = container.worker(watch=watch)
            worker.start()
            try:
                held = self._work(container, worker, self._reference_commands(container), told)
                if held is None:
                    held = self._work(container, worker, self._bar_commands(container), told)
                heartbeat = next(iter(container.heartbeats().alive()), None)
            finally:
                worker.stop(self._loaded.settings.worker.shutdown_timeout)
            reports = tuple(container.notifications().reports)
            return QuickstartAccount(
                database=self.database,
                origin=self.origin,
                commands=self._sent,
                reports=reports,
                alerts=tuple(container.notifications().alerts),
                dead_letters=tuple(container.dead_letters().letters.values()),
                postponed=tuple(_undone(container)),
                held=held,
                heartbeat=heartbeat,
                reference_calls=worker.stats.calls - sum(report.calls for report in reports),
                example_code=_an_example(container, reports),
                configuration=None if self._loaded.settings.clickhouse.layout == "native" else self._wish.config,
                duration=time.monotonic() - started,
            )

    def _load(self) -> LoadedSettings:
        wish = self._wish
        overrides: dict[str, object] = {"kafka.bootstrap_servers": MEMORY, "redis.url": MEMORY}
        overrides |= {"worker.poll_timeout": 0.2, "worker.coalesce_wait": 0.05}
        if wish.source is not None:
            overrides |= {"sources.bars": ["files"], "sources.reference": ["files"]}
            overrides["sources.files.path"] = str(wish.source)
            if wish.adjust is not None:
                overrides["sources.files.adjust"] = wish.adjust
        # Without --config nothing but this command line speaks, so that a newcomer's run is the same everywhere.
        environment: dict[str, str] | None = None if wish.config else {}
        embedded: dict[str, object] = {"clickhouse.url": database_url(str(wish.directory or DEFAULT_DIRECTORY))}
        if wish.database:
            overrides["clickhouse.url"] = database_url(wish.database)
        elif wish.directory or wish.config is None:
            overrides |= embedded
        loaded = load_settings(wish.config, environment, overrides, search=False)
        if "clickhouse.url" not in loaded.origins:
            loaded = load_settings(wish.config, environment, overrides | embedded, search=False)
        return loaded

    @contextmanager
    def _open(self) -> Iterator[Container]:
        container = Container(settings=self._loaded.settings)
        try:
            container.store().connect()  # a store that is away is said at once, not waited for
            if self._synthetic:
                self._use_sample(container)
            yield container
        finally:
            container.shutdown_resources()

    def _use_sample(self, container: Container) -> None:
        calendar = container.trading_calendar()
        try:
            last = newest_closed(calendar, container.clock().now()) or calendar.horizon()
        except CalendarHorizonExceeded:
            last = calendar.horizon()
        sample = make_sample(calendar.sessions(last - timedelta(days=SAMPLE_DAYS), last))
        source = InMemoryBarSource(sample.bars, capabilities=sample.capabilities, suspended=sample.suspended)
        container.plain_bar_source.override(providers.Object(source))
        container.plain_reference_source.override(providers.Object(InMemoryReferenceSource(sample.securities)))

    def _reference_commands(self, container: Container) -> list[Command]:
        archive = self._wish.source is not None or container.bar_source().capabilities.extent is not None
        return [SyncSecurities()] if archive else [SyncTradingCalendar(), SyncSecurities()]

    def _bar_commands(self, container: Container) -> list[Command]:
        capabilities = container.bar_source().capabilities
        if self._wish.source is not None:
            commands: list[Command] = list(self._archive_commands(container.archive()))
            if not commands:
                self._refuse_unreadable(container)
            return [*commands, ProbeHeartbeat()]
        if capabilities.extent is None:
            return [*self._live_commands(container), ProbeHeartbeat()]
        first, last = capabilities.extent
        return [self._snapshot(DAILY, first, last), ProbeHeartbeat()]

    def _archive_commands(self, archive: FileArchive) -> Iterator[Command]:
        """Yield a snapshot per series of the archive, of the codes and sessions that it has."""
        for series in sorted({series for entry in archive.entries() for series in entry.spans}, key=str):
            spans = archive.spans(series)
            if not spans:
                continue
            first, last = min(span[0] for span in spans.values()), max(span[1] for span in spans.values())
            yield self._snapshot(series, first, last, tuple(sorted(spans)))

    def _refuse_unreadable(self, container: Container) -> None:
        """Put an archive without one usable row into quarantine, and raise `SchemaMismatch` naming an example."""
        source = container.bar_source()
        refused: list[Rejects] = []
        for series in sorted(source.capabilities.series, key=str):
            everything = FetchRequest(series, None, FIRST_SESSION, date(2199, 12, 31), Cells.none(), 0)
            answer = source.fetch(everything)
            if not isinstance(answer, Unknown):
                refused.append(answer.rejects)
            if isinstance(answer, Rows):
                no_sessions = np.empty(0, "datetime64[D]")
                refused.append(validate(answer.batch, sessions=no_sessions, places=answer.places).rejects)
        rejects = Rejects.concat(refused)
        container.quality_repository().quarantine(rejects)
        example = next(iter(rejects.table.slice(0, 1).to_pylist()), None)
        first = f"; the first: {example['place']}: {example['field']} {example['value']}" if example else ""
        raise SchemaMismatch(f"{self.origin}: none of its {len(rejects)} rows can be used as a bar{first}")

    def _live_commands(self, container: Container) -> Iterator[Command]:
        """Yield what to ask a live vendor: what was wished, a small universe whole, else the newest sessions."""
        wish = self._wish
        small = len(container.reference_repository().securities()) <= SMALL_UNIVERSE
        if wish.start or wish.end or wish.codes or small:
            yield self._snapshot(DAILY, None, None)
        else:
            yield CollectBars(None, DAILY, sessions=RECENT_SESSIONS, word="update_data", force=wish.force)

    def _snapshot(
        self, series: Series, first: date | None, last: date | None, codes: tuple[str, ...] | None = None
    ) -> CollectBars:
        wish = self._wish
        start, end = wish.start or first, wish.end or last
        if start and end and start > end:
            raise ConfigurationError(f"nothing lies between {start} and {end}: {self.origin} has {first} … {last}")
        return CollectBars(wish.codes or codes, series, start, end, full=True, force=wish.force)

    def _work(
        self, container: Container, worker: DataWorker, commands: list[Command], told: Callable[[Command], None] | None
    ) -> str | None:
        """Send `commands` and wait for their ends; return why the worker holds if it does so for too long."""
        for command in commands:
            self._sent += 1
            if told:
                told(command)
            value = encode_command(command, f"quickstart-{uuid.uuid4()}", container.clock().now(), "quickstart")
            container.broker().put(DATA_TOPIC, value)
        held_since: float | None = None
        while _unended(container):
            heartbeat = worker.observe()
            held_since = (held_since or time.monotonic()) if heartbeat and heartbeat.degraded else None
            if not worker.is_alive() or (held_since and time.monotonic() - held_since > HOLD_PATIENCE):
                return heartbeat.degraded if heartbeat and heartbeat.degraded else "the worker has ended"
            time.sleep(0.05)
        return None


def _unended(container: Container) -> bool:
    """Whether a command waits that is due now or soon."""
    soon = container.clock().now() + timedelta(seconds=PATIENCE)
    dues = (due_at(record) for record in container.broker().pending())
    return any(due is None or due <= soon for due in dues)


def _undone(container: Container) -> Iterator[str]:
    """Yield what is left undone on the stream, in words."""
    reasons = {item.delivery.request_id: item.reason for item in container.work_queue().parked}
    for record in container.broker().pending():
        delivery = decode_command(record)
        word = delivery.body.command.word if isinstance(delivery.body, CommandMessage) else "a record"
        yield f"{word} ({delivery.request_id}): {reasons.get(delivery.request_id, 'not worked')}"


def _an_example(container: Container, account: tuple[DataQualityReport, ...]) -> str | None:
    """Return a code that has bars, to show what to type next."""
    held = next((report for report in account if report.coverage.held), None)
    if held is None:
        return None
    frequency, adjust = held.series.split("/")
    codes = container.reference_repository().securities().codes()[:100]
    series = Series(Frequency(frequency), Adjust(adjust))
    return next(iter(container.bar_repository().first_held(codes, series)), None)
