"""Loggers are the process's: a test that quiets some must not quiet those of the next test."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def loggers_speak_again() -> Iterator[None]:
    """Give every logger its level back, whoever changed it: the command line quiets its libraries."""
    before = {name: logger.level for name, logger in _loggers()}
    yield
    for name, logger in _loggers():
        if logger.level != (level := before.get(name, logging.NOTSET)):
            logger.setLevel(level)


def _loggers() -> list[tuple[str, logging.Logger]]:
    known = logging.getLogger().manager.loggerDict.copy()
    return [(name, logger) for name, logger in known.items() if isinstance(logger, logging.Logger)]
