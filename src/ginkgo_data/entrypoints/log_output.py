# Upstream: entrypoints.worker_cli
# Downstream: domain.model.work_context, entrypoints.settings, pydantic
# Role: The log of a worker process: JSON lines or plain ones, on standard error and in a file, without secrets
"""Where log lines go and what they look like. Only the command line sets this up; a host has its own.

A JSON line has ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``, ``node_id``, whatever the line was given
as `extra` (``request_id``, ``trace_id`` …) and, of an exception, ``error``. Secrets of the configuration are replaced
in every line, whoever wrote it.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from pydantic import BaseModel, SecretStr

from ginkgo_data.domain.model.work_context import WorkContext, present_work
from ginkgo_data.entrypoints.settings import Settings

log = logging.getLogger(__name__)

SHORTEST_SECRET = 8
"""Letters: what is shorter would hide half of every log."""
MASK = "********"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OURS = frozenset({"time", "level", "logger", "node_id"})
_NOISY = ("urllib3", "clickhouse_connect", "httpx", "httpcore")
_SECRET_OPTION = re.compile(r"password|secret|token|pem|jaas|oauthbearer\.config")
"""Options of librdkafka whose values are secrets, and not words that any line may have."""
_CONSOLE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up_logging(settings: Settings, node_id: str) -> str | None:
    """Log as `settings` say, from now on; may be called again. Return why there is no log file, None where all is well.

    The level is the root logger's; chatty client libraries say warnings only.
    """
    chosen = settings.logging
    secrets = tuple(sorted(set(_secrets_of(settings)), key=len, reverse=True))
    formatter = JsonLines(node_id, secrets) if chosen.format == "json" else PlainLines(secrets)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    fault = None
    if chosen.file is not None:
        try:
            path = log_file_of(chosen.file, node_id)
            handlers.append(_file_handler(path, chosen.max_bytes, chosen.backup_count))
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            fault = f"logging.file: {chosen.file} cannot be written: {reason}; standard error has the log"
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=chosen.level, handlers=handlers, force=True)
    for library in _NOISY:
        logging.getLogger(library).setLevel(max(logging.getLogger().level, logging.WARNING))
    if fault:
        log.error("%s", fault)
    return fault


def log_file_of(path: Path, node_id: str) -> Path:
    """Return the file of this worker: ``{node_id}`` and ``{host}`` in its path are replaced."""
    name = str(path.expanduser()).replace("{node_id}", node_id).replace("{host}", socket.gethostname())
    return Path(name)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, node_id: str, secrets: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._node_id = node_id
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "node_id": self._node_id,
        }
        if (work := present_work()) is not None:
            line.update(work.fields())
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD and name not in _OURS}
        line.update(extra)
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(_hidden(line, self._secrets), ensure_ascii=False, default=str)


class PlainLines(logging.Formatter):
    """Lines for people."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        super().__init__(_CONSOLE)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`, and those of its exception."""
        work = present_work()
        about = f" [{record_ids(work)}]" if work is not None else ""
        head, newline, below = super().format(record).partition("\n")
        return _without(f"{head}{about}{newline}{below}", self._secrets)


def record_ids(work: WorkContext) -> str:
    """Return the ids of what is being worked, for a line that people read."""
    fields = work.fields()
    shown = {name: fields[name] for name in ("request_id", "requests", "trace_id", "job_id") if name in fields}
    return " ".join(f"{name}={value}" for name, value in shown.items())


def _file_handler(path: Path, max_bytes: int, backup_count: int) -> RotatingFileHandler:
    path.parent.mkdir(parents=True, exist_ok=True)
    return RotatingFileHandler(path, maxBytes=max_bytes, backupCount=backup_count, encoding="utf-8")


def _hidden(value: object, secrets: tuple[str, ...]) -> object:
    """Return `value` without secrets, before JSON writes their quotes and backslashes in its own way."""
    if isinstance(value, Mapping):
        return {_without(str(name), secrets): _hidden(below, secrets) for name, below in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_hidden(below, secrets) for below in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _without(str(value), secrets)


def _without(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _secrets_of(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        if len(secret) >= SHORTEST_SECRET:
            yield secret
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_of(getattr(value, name))
    elif isinstance(value, Mapping):
        for name, below in value.items():
            if _SECRET_OPTION.search(str(name)):
                yield from _secrets_of(below)
