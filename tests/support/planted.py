"""Secrets that the tests plant, and the search for them in all that the suite says.

Every secret of a test begins with `PLANTED`. Whatever a test printed or logged, the output of every program it ran and
the log of every worker is searched for it when the test ends; one that is found fails the test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

PLANTED = "planted-"
"""What tokens and passwords begin with, and nothing else does."""


def leaked(text: str) -> list[str]:
    """Return the lines of `text` that tell a planted secret."""
    return [line for line in text.splitlines() if PLANTED in line]


def assert_silent(text: str, where: str) -> None:
    """Fail when `text`, said by `where`, tells a planted secret."""
    found = leaked(text)
    assert not found, f"{where} tells a secret: {found[:3]}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Fail the test whose captured output or log tells a planted secret."""
    report = yield
    found = [line for _, text in report.sections for line in leaked(text)]
    if found and report.passed:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} tells a secret: {found[:3]}"
    return report
