# Upstream: entrypoints
# Downstream: adapters.system.clock, adapters.{kafka, redis}, domain.model.errors, entrypoints.{loading, settings}
# Role: What an operator's commands need opened: settings of a real broker, clients that are closed again
"""Wiring of `send`, `status`, `dlq` and `topics`.

They talk to Kafka and Redis alone, look on from outside, and never join the group.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.heartbeat_wire import decode_heartbeat, encode_heartbeat
from ginkgo_data.adapters.kafka.letter_shelf import LetterShelf
from ginkgo_data.adapters.kafka.probe import probe
from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.adapters.kafka.topic_reader import TopicReader
from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.adapters.redis.heartbeats import RedisHeartbeats
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.errors import BrokerUnavailable, ConfigurationError
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.entrypoints.settings import Settings

MEMORY = "memory://"
CLIENT_ID = "ginkgo_data.operator"
PATIENCE = 10.0
"""Seconds after which a person is told that a record was not acknowledged."""


def operator_settings(file: Path | None) -> Settings:
    """Return the settings. Raises `ConfigurationError`, also where there is no broker to talk to."""
    settings = load_settings(file).settings
    if settings.kafka.bootstrap_servers == MEMORY:
        raise ConfigurationError(
            f"kafka.bootstrap_servers is {MEMORY}: that stream lives inside one process and cannot be reached from here"
        )
    # A server that does not answer is said once, in the message of the error it becomes.
    for family in ("kafka", "redis"):
        logging.getLogger(f"ginkgo_data.adapters.{family}").setLevel(logging.CRITICAL)
    return settings


def operator_kafka(settings: Settings) -> KafkaConfig:
    """Return the Kafka family's settings with a person's patience."""
    return settings.kafka_config(CLIENT_ID).model_copy(update={"delivery_timeout": PATIENCE, "close_timeout": 5.0})


@contextmanager
def named_broker(config: KafkaConfig) -> Iterator[None]:
    """Say in the message of a `BrokerUnavailable` raised inside which broker it was."""
    try:
        yield
    except BrokerUnavailable as error:
        if type(error) is not BrokerUnavailable or config.bootstrap_servers in str(error):
            raise
        raise BrokerUnavailable(f"{error} (broker {config.bootstrap_servers})") from error


@contextmanager
def opened_producer(config: KafkaConfig) -> Iterator[KafkaProducer]:
    """Give a producer."""
    producer = KafkaProducer(config)
    try:
        with named_broker(config):
            yield producer
    finally:
        producer.close()


@contextmanager
def opened_reader(config: KafkaConfig, timeout: float = PATIENCE) -> Iterator[TopicReader]:
    """Give a reader."""
    reader = TopicReader(config, timeout)
    try:
        with named_broker(config):
            yield reader
    finally:
        reader.close()


@contextmanager
def opened_shelf(config: KafkaConfig) -> Iterator[LetterShelf]:
    """Give the dead letters. Raises `BrokerUnavailable` soon where no broker listens."""
    probe(config)
    with opened_reader(config) as reader:
        yield LetterShelf(config, reader)


@contextmanager
def opened_redis(settings: Settings) -> Iterator[RedisClient]:
    """Give a client of Redis. Raises `ConfigurationError` where there is no server."""
    client = RedisClient(settings.redis, SystemClock())
    try:
        yield client
    finally:
        client.close()


def heartbeats_in(client: RedisClient, settings: Settings) -> RedisHeartbeats:
    """Return the fleet's heartbeats."""
    return RedisHeartbeats(client, encode_heartbeat, decode_heartbeat, settings.heartbeat.key_prefix)
