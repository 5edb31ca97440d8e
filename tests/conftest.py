"""What all tests share: the store's fixtures, and assertions of contract suites that explain themselves."""

from __future__ import annotations

import os

import pytest

# A few hundred programs are started: with this set, each of them would compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
pytest.register_assert_rewrite("contracts", "support")

from support.engine import engine, prepared, store, store_config  # noqa: E402  (after the rewrite is registered)
from support.loggers import loggers_speak_again  # noqa: E402
from support.planted import pytest_runtest_makereport  # noqa: E402
from support.servers import (  # noqa: E402
    clickhouse_server,
    kafka_server,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
    redis_server,
    servers_healed,
)

__all__ = [
    "clickhouse_server",
    "engine",
    "kafka_server",
    "loggers_speak_again",
    "prepared",
    "pytest_runtest_makereport",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "redis_server",
    "servers_healed",
    "store",
    "store_config",
]
