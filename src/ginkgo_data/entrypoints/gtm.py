# Upstream: ginkgo_data
# Downstream: adapters.gtm.{glog, host}, entrypoints.{hosted, loading, settings}
# Role: run_data_worker: a worker run to its end inside a host process, as Ginkgo's GTM runs its own
"""`run_data_worker`, in the place of GTM's method of that name."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from types import FrameType

from ginkgo_data.adapters.gtm.glog import logging_to
from ginkgo_data.adapters.gtm.host import HostLogger
from ginkgo_data.entrypoints.hosted import DataWorker
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.entrypoints.settings import Settings

log = logging.getLogger(__name__)

_GLANCE = 0.5
"""Seconds between two looks at whether a signal came."""


def run_data_worker(
    node_id: str | None = None,
    *,
    bar_crud: object = None,
    group_id: str | None = None,
    auto_offset_reset: str | None = None,
    settings: Settings | None = None,
    parts: Mapping[str, object] | None = None,
    glog: HostLogger | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Run one worker and block until it has ended, as GTM's method does.

    The worker is called `node_id`, else what the settings (`worker.node_id`, ``GINKGO_NODE_ID``) say, else
    ``data_worker_`` and the host's name. The other keywords are those of `DataWorker`; `glog` gets this package's log
    lines while the worker runs.

    The worker ends in good order, within ``worker.shutdown_timeout`` seconds, when `stop` is set, on Ctrl-C, and on
    SIGTERM, which is handled while this runs in the main thread of a program that has no handler of its own. Ctrl-C is
    then raised (`KeyboardInterrupt`), as GTM's callers expect; else this returns.

    Unlike GTM's method it swallows nothing: raises `ConfigurationError` for what is wrong with the keywords, and
    `RuntimeError` when the worker ended without having been asked or did not end in time, so that a supervisor sees it.
    """
    chosen = settings or load_settings(tolerant=True).settings
    name = node_id or chosen.worker.node_id or f"data_worker_{socket.gethostname()}"
    with logging_to(glog):
        worker = DataWorker(bar_crud, group_id, auto_offset_reset, name, settings=settings, parts=parts)
        with _sigterm() as received:
            worker.start()
            try:
                while not (asked := bool(received) or (stop is not None and stop.is_set())) and worker.is_alive():
                    worker.join(_GLANCE)
                if not asked:
                    raise RuntimeError(f"worker {name} ended without having been asked: {worker.stats.last_error}")
            finally:
                ended = worker.stop(chosen.worker.shutdown_timeout)
                if not ended:
                    log.error("worker %s did not end in %g s", name, chosen.worker.shutdown_timeout)
        if not ended:
            raise RuntimeError(
                f"worker {name} did not end in {chosen.worker.shutdown_timeout:g} s; what it held comes again"
            )


@contextlib.contextmanager
def _sigterm() -> Iterator[list[int]]:
    """Yield a list that a SIGTERM fills; nothing is handled where a host has a handler, or in another thread."""
    received: list[int] = []
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield received
        return

    def obey(number: int, _: FrameType | None) -> None:
        received.append(number)

    signal.signal(signal.SIGTERM, obey)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
