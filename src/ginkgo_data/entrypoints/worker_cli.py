# Upstream: entrypoints.{cli, gtm_cli}
# Downstream: adapters.kafka, domain.model, entrypoints, dependency_injector, typer
# Role: `ginkgo-data worker`: a worker as a process, its signals and its exit codes
"""``ginkgo-data worker start``.

The first SIGTERM or SIGINT asks the worker to end: the round under way stops at its next checkpoint, what it did
not finish is delivered again. It has `worker.shutdown_timeout` for that. The second signal ends the process at once.

SIGHUP and a change of a configuration file reload the configuration between two rounds, as the command `reload` does.

With ``--embedded`` there is no server: commands come from standard input, and how each ended is printed, one JSON
object a line; dead letters live as long as the process.

What is wrong with its configuration is said (log, heartbeat, alert), and the worker works with the defaults in the
place of it; with ``--strict-config`` it does not start. A wrong option of the command line is never left out. A
``health.port`` that is taken is such a fault, too; the default one that is taken is only logged.

Exit codes: 0 ended as asked (``--embedded``: and every command was done); 1 did not end in time, or ended without
having been asked, or gave a command up; 2 wrong use or configuration; 128 + n ended at once by a second signal n
(143 SIGTERM, 130 SIGINT).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.outcomes import EVENT

if TYPE_CHECKING:
    from ginkgo_data.entrypoints.container import Container
    from ginkgo_data.entrypoints.health_server import HealthServer
    from ginkgo_data.entrypoints.loading import LoadedSettings
    from ginkgo_data.entrypoints.settings import Settings
    from ginkgo_data.entrypoints.worker import DataWorker

log = logging.getLogger(__name__)

app = typer.Typer(name="worker", help="Run a worker.", no_args_is_help=True)

EMBEDDED = {"kafka.bootstrap_servers": "memory://", "redis.url": "memory://"}
"""The profile without servers; the store is the embedded engine unless the configuration names another one."""
EMBEDDED_DEFAULTS: Mapping[str, object] = {"clickhouse.url": "chdb://ginkgo-data", "health.port": 0}
"""What that profile has where nobody names another value."""


@app.callback()
def worker() -> None:
    """Run a worker."""


@app.command()
def start(
    config: Annotated[Path | None, typer.Option("--config", help="A data_worker.yml to read.")] = None,
    node_id: Annotated[str | None, typer.Option(help="Name in heartbeats and reports; made up if left out.")] = None,
    group_id: Annotated[str | None, typer.Option(help="Consumer group.")] = None,
    auto_offset: Annotated[
        str | None, typer.Option(help="Where a new group begins: earliest or latest.", metavar="earliest|latest")
    ] = None,
    embedded: Annotated[
        bool,
        typer.Option("--embedded", help="Without servers: commands from standard input, one JSON object a line."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log everything.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict-config", help="Do not start with a configuration that has a fault.")
    ] = False,
) -> None:
    """Collect what the commands on Kafka ask for, until it is told to stop (SIGTERM, Ctrl-C)."""
    from ginkgo_data.entrypoints.process_memory import keep_little, rest_collector

    keep_little()
    rest_collector()
    given = {"worker.node_id": node_id, "worker.group_id": group_id, "worker.auto_offset_reset": auto_offset}
    overrides: dict[str, object] = {key: value for key, value in given.items() if value is not None}
    if debug:
        overrides["logging.level"] = "DEBUG"
    loaded = _load(config, overrides, embedded, tolerant=not strict)
    os_exit(_serve(loaded, config, overrides, embedded, strict=strict))


def _load(
    config: Path | None, overrides: Mapping[str, object], embedded: bool, *, tolerant: bool = False
) -> LoadedSettings:
    from ginkgo_data.entrypoints.loading import load_settings

    if not embedded:
        return load_settings(config, overrides=overrides, tolerant=tolerant)
    loaded = load_settings(config, overrides={**overrides, **EMBEDDED}, tolerant=tolerant)
    unnamed = {key: value for key, value in EMBEDDED_DEFAULTS.items() if not loaded.names(key)}
    if unnamed:
        loaded = load_settings(config, overrides={**overrides, **EMBEDDED, **unnamed}, tolerant=tolerant)
    return loaded


def start_faults(loaded: LoadedSettings, node_id: str, *, strict: bool = False) -> str | None:
    """Set up logging, log what is wrong with the configuration, and return it in one line, None where nothing is.

    Raises `ConfigurationError` where it is `strict` and the log file cannot be written.
    """
    from ginkgo_data.entrypoints.log_output import set_up_logging

    of_log = set_up_logging(loaded.settings, node_id)
    if of_log and strict:
        raise ConfigurationError(of_log)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    for fault in loaded.faults:
        log.error("configuration: %s; used instead: %s", fault, fault.instead)
    of_page = _fault_of_page(loaded)
    if of_page and strict:
        raise ConfigurationError(of_page)
    return "; ".join(fault for fault in (loaded.fault, of_log, of_page) if fault) or None


def _fault_of_page(loaded: LoadedSettings) -> str | None:
    """Return why the page cannot be shown where somebody has named its port; of the default one it is only logged."""
    from ginkgo_data.entrypoints.health_server import check_place

    try:
        check_place(loaded.settings.health.host, loaded.settings.health.port)
    except ConfigurationError as error:
        return str(error) if loaded.names("health.port") else None
    return None


def _show_page(page: HealthServer, settings: Settings) -> None:
    """Show the page where `settings` have it; a worker works without one, too."""
    try:
        page.open(settings.health.host, settings.health.port)
    except ConfigurationError as error:
        log.error("%s", error)  # noqa: TRY400  (it is said in words)


def _serve(
    loaded: LoadedSettings, config: Path | None, overrides: Mapping[str, object], embedded: bool, *, strict: bool
) -> int:
    from dependency_injector import providers

    from ginkgo_data.entrypoints.config_watch import ConfigWatch
    from ginkgo_data.entrypoints.container import Container
    from ginkgo_data.entrypoints.health_server import HealthServer
    from ginkgo_data.entrypoints.log_output import set_up_logging
    from ginkgo_data.entrypoints.process_memory import wake_collector
    from ginkgo_data.entrypoints.reloading import Reloading

    container = Container(settings=loaded.settings)
    node_id = container.node_id()
    container.start_fault.override(providers.Object(start_faults(loaded, node_id, strict=strict)))

    def applied(settings: Settings) -> None:
        set_up_logging(settings, node_id)
        _show_page(page, settings)

    reloading = Reloading(
        container,
        loaded,
        lambda: _load(config, overrides, embedded),
        applied,
    )
    container.reload.override(providers.Object(reloading))
    stop = threading.Event()
    _obey_signals(stop, reloading.request)
    watch = ConfigWatch(lambda: reloading.files, lambda: reloading.request("file"))
    watch.start()
    data_worker = container.worker()
    page = HealthServer(data_worker.health, container.metrics())
    data_worker.start()
    _show_page(page, loaded.settings)
    wake_collector()
    if embedded:
        feeder = threading.Thread(target=_feed, args=(container, data_worker, stop), daemon=True)
        feeder.start()
    while not stop.wait(0.5) and data_worker.is_alive():
        pass
    asked = stop.is_set()
    watch.end()
    patience = reloading.settings.worker.shutdown_timeout
    if not data_worker.stop(patience):
        log.error("the worker did not end within %g s; what it held comes again", patience)
        return 1
    given_up = _print_outcomes(container) if embedded else 0
    reloading.close()
    page.close()
    return 0 if asked and not given_up else 1


def _obey_signals(stop: threading.Event, reload: Callable[[str], None]) -> None:
    received: list[int] = []

    def obey(number: int, _: FrameType | None) -> None:
        if received:
            os_exit(128 + number)
        received.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, obey)
    signal.signal(signal.SIGHUP, lambda *_: reload("SIGHUP"))


def _feed(container: Container, data_worker: DataWorker, stop: threading.Event) -> None:
    """Put the lines of standard input on the stream inside this process; at their end, stop when all are worked."""
    from ginkgo_data.adapters.kafka.wire import DATA_TOPIC

    for line in sys.stdin.buffer:
        if line.strip():
            container.broker().put(DATA_TOPIC, line.rstrip(b"\r\n"))
    while container.broker().pending() and data_worker.is_alive():
        if stop.wait(0.1):
            return
    stop.set()


def _print_outcomes(container: Container) -> int:
    """Print how each command ended, and return how many were given up."""
    given_up = 0
    for kind, data in container.notifications().events:
        if kind == EVENT:
            for outcome in data["outcomes"]:
                given_up += outcome["outcome"] == "dead_letter"
                sys.stdout.write(json.dumps(outcome, ensure_ascii=False) + "\n")
    return given_up


def os_exit(code: int) -> NoReturn:
    """End the process now: a client library's thread that waits for a server must not keep it."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
