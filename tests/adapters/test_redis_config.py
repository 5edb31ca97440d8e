"""The settings of the Redis family, and a client that has nothing to call."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.adapters.redis.call_budget import RedisCallBudget
from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.adapters.redis.config import RedisConfig
from ginkgo_data.domain.model.errors import ConfigurationError

CLOCK = ManualClock(datetime(2026, 8, 15, tzinfo=UTC))


def test_the_password_is_taken_out_of_the_address():
    config = RedisConfig(url="redis://worker:p%40ss@cache:6380/2")
    assert (config.url, config.password.get_secret_value()) == ("redis://worker@cache:6380/2", "p@ss")
    assert (config.user, config.host, config.port, config.database, config.secure) == (
        "worker",
        "cache",
        6380,
        2,
        False,
    )
    assert "p@ss" not in repr(config)
    assert "p%40ss" not in repr(config)


def test_a_password_without_a_user_is_the_default_users():
    config = RedisConfig(url="rediss://:secret@cache")
    assert (config.url, config.user, config.password.get_secret_value()) == ("rediss://cache", None, "secret")
    assert (config.port, config.database, config.secure) == (6379, 0, True)


def test_a_password_given_beside_the_address_is_used():
    config = RedisConfig(url="redis://:old@cache/0", password="new")
    assert (config.url, config.password.get_secret_value()) == ("redis://cache/0", "new")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://:secret@cache", "its scheme is 'http'"),
        ("redis://:secret@cache:many/0", "port cannot be read"),
        ("redis:///0", "it names no host"),
        ("redis://:secret@cache/first", "'first' is no number of a database"),
        ("redis://:secret@cache/0?timeout=3", "it has options"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_what_is_allowed_and_without_its_password(url, fault):
    with pytest.raises(ValidationError) as raised:
        RedisConfig(url=url)
    assert fault in str(raised.value)
    assert "rediss://" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_no_server_is_said_by_an_address_too_and_cannot_be_called():
    config = RedisConfig(url=" memory:// ")
    assert config.in_memory
    with pytest.raises(ConfigurationError, match="memory://"):
        RedisClient(config, CLOCK)


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_that_is_no_share_is_refused(share):
    with pytest.raises(ValueError, match=f"{share:g}"):
        RedisCallBudget(RedisClient(RedisConfig(), CLOCK), CLOCK, share)
