# Upstream: entrypoints
# Downstream: adapters.kafka.{config, errors}, domain.model.errors, confluent_kafka
# Role: Whether a broker listens at all, found out soon
"""A person does not wait for a quarter of a minute to hear that nobody listens at an address."""

from __future__ import annotations

import logging
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.errors import broker_errors
from ginkgo_data.domain.model.errors import BrokerUnavailable

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds after which a broker that refuses every connection is away."""


def probe(config: KafkaConfig, patience: float = PATIENCE) -> None:
    """Return when a broker answers, or when none does for `patience` seconds without refusing: it may be slow.

    Raises `BrokerUnavailable` with the address and the reason when no connection could be made, and
    `ConfigurationError` when the options cannot make a client.
    """
    told: list[KafkaError] = []
    with broker_errors("opening an admin client"):
        options: dict[str, Any] = {**config.admin_options(), "error_cb": told.append}
        admin = AdminClient(options, logger=log)
    try:
        admin.list_topics(timeout=patience)
    except KafkaException as error:
        admin.poll(0)  # hands over what the client was told meanwhile
        if any(one.code() == KafkaError._ALL_BROKERS_DOWN for one in told):
            raise BrokerUnavailable(f"no broker at {config.bootstrap_servers}: {_reason(told)}") from error


def _reason(told: list[KafkaError]) -> str:
    """Return what kept the last connection from being made: of ``place: Connect to … failed: why (…)`` the why."""
    texts = [one.str() for one in told if one.code() != KafkaError._ALL_BROKERS_DOWN]
    if not texts:
        return "no connection could be made"
    said = texts[-1].partition(" (after ")[0].partition(": ")[2]
    return said.rpartition("failed: ")[2]
