"""A broker that is not there is found out soon. No broker."""

from __future__ import annotations

import socket
import time

import pytest

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.probe import probe
from ginkgo_data.domain.model.errors import BrokerUnavailable


def test_an_address_that_refuses_connections_is_said_with_the_reason():
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{unheard.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable) as caught:
            probe(KafkaConfig(bootstrap_servers=place), patience=0.5)
    assert str(caught.value) == f"no broker at {place}: Connection refused"
    assert time.monotonic() - began < 3.0


def test_a_name_that_nobody_knows_is_said():
    with pytest.raises(BrokerUnavailable, match=r"no broker at no\.such\.invalid:9092: Failed to resolve"):
        probe(KafkaConfig(bootstrap_servers="no.such.invalid:9092"), patience=2.0)


def test_a_broker_that_only_is_slow_is_left_to_whoever_asks_it():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        probe(KafkaConfig(bootstrap_servers=f"127.0.0.1:{silent.getsockname()[1]}"), patience=0.5)
