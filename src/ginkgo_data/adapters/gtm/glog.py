# Upstream: entrypoints.gtm
# Downstream: adapters.gtm.host, domain.model.work_context
# Role: The host's logger behind Python's logging: a handler that hands lines on
"""Lines of this package in the host's own log, such as Ginkgo's GLOG."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager

from ginkgo_data.adapters.gtm.host import HostLogger, require_methods
from ginkgo_data.domain.model.work_context import present_work

_LEVELS = ((logging.CRITICAL, "CRITICAL"), (logging.ERROR, "ERROR"), (logging.WARNING, "WARN"), (logging.INFO, "INFO"))


class GlogHandler(logging.Handler):
    """Hands each line to `glog`, at its level, with the logger's name before it and the ids of the work behind it.

    The trace id of the work under way is the host's trace id for the line, where the host has `with_trace_id`. What the
    host's logger does with a line is its own affair: GLOG drops repeated errors and, outside of debugging, nine of ten
    debug lines. A fault of the host's logger never reaches the work. A line that the host's logger makes of its own is
    not handed to it again.

    Raises `ConfigurationError` where `glog` lacks DEBUG, INFO, WARN, ERROR or CRITICAL.
    """

    def __init__(self, glog: HostLogger, level: int = logging.INFO) -> None:
        super().__init__(level)
        require_methods("glog", glog, "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL")
        self._glog = glog
        self._busy = threading.local()
        self.setFormatter(logging.Formatter("[%(name)s] %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one line on."""
        if getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            with self._trace():
                getattr(self._glog, _method(record.levelno))(self.format(record) + _about())
        except Exception:  # logging's own rule: a handler never raises
            self.handleError(record)
        finally:
            self._busy.now = False

    def _trace(self) -> AbstractContextManager[object]:
        work, trace = present_work(), getattr(self._glog, "with_trace_id", None)
        if work is None or work.trace is None or not callable(trace):
            return contextlib.nullcontext()
        context: AbstractContextManager[object] = trace(work.trace.trace_id)
        return context


def _method(level: int) -> str:
    return next((name for least, name in _LEVELS if level >= least), "DEBUG")


def _about() -> str:
    """Return the ids of the work under way, empty where none is."""
    work = present_work()
    if work is None:
        return ""
    fields = {name: value for name, value in work.fields().items() if name in ("request_id", "job_id", "node_id")}
    return " " + " ".join(f"{name}={value}" for name, value in fields.items())


@contextlib.contextmanager
def logging_to(glog: HostLogger | None) -> Iterator[None]:
    """Hand the lines of this package to `glog` within the context; with None, change nothing."""
    if glog is None:
        yield
        return
    ours, handler = logging.getLogger("ginkgo_data"), GlogHandler(glog)
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)
