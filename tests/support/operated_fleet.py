"""A fleet as an operator's commands see it: topics, group and heartbeats of its own on the real servers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from unittest.mock import patch

from confluent_kafka import Consumer

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.dead_letters import KafkaDeadLetters
from ginkgo_data.adapters.kafka.heartbeat_wire import decode_heartbeat, encode_heartbeat
from ginkgo_data.adapters.kafka.letter_wire import dead_letter_key
from ginkgo_data.adapters.kafka.notifications import KafkaNotifications
from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.adapters.kafka.topics import KafkaTopics
from ginkgo_data.adapters.kafka.wire import decode_command
from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.adapters.redis.config import RedisConfig
from ginkgo_data.adapters.redis.heartbeats import RedisHeartbeats
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.delivery import Delivery, Partition, RawRecord
from ginkgo_data.domain.model.disposition import DeadLetter
from ginkgo_data.domain.model.worker import Heartbeat, WorkerStats, WorkerStatus
from ginkgo_data.entrypoints import cli
from support import program
from support.kafka_broker import read_all, unique, until
from support.planted import assert_silent

DEMAND = {"command": "bar_snapshot", "params": {"code": "000001.SZ"}, "timestamp": "2026-08-15T21:10:00"}


def run_here(*arguments: object, env: Mapping[str, str]) -> program.Ended:
    """Run ``ginkgo-data ARGUMENTS`` to its end."""
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("GINKGO_DATA")}
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        patch.dict(os.environ, {**theirs, **env, "COLUMNS": "200"}, clear=True),
        patch.object(sys, "argv", ["ginkgo-data", *map(str, arguments)]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
    assert_silent(out.getvalue() + err.getvalue(), f"ginkgo-data {' '.join(map(str, arguments))}")
    return program.Ended(int(code or 0), out.getvalue(), err.getvalue())


class OperatedFleet:
    """Everything has a name of its own; `env` tells the program of it."""

    def __init__(self, kafka, redis_url: str = "memory://") -> None:
        self.kafka = kafka
        self.redis_url = redis_url
        self.mark = unique("fleet")
        self.control, self.data = f"{self.mark}.control", f"{self.mark}.data"
        self.work, self.letters = f"{self.mark}.work", f"{self.mark}.dlq"
        self.notices, self.group = f"{self.mark}.notices", f"{self.mark}.group"
        self.prefix = f"{self.mark}:heartbeat"
        self._producer: KafkaProducer | None = None
        self._redis: RedisClient | None = None

    @property
    def env(self) -> dict[str, str]:
        return {
            "GINKGO_DATA__KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "GINKGO_DATA__KAFKA__WORK_TOPIC": self.work,
            "GINKGO_DATA__KAFKA__DEAD_LETTER_TOPIC": self.letters,
            "GINKGO_DATA__KAFKA__NOTIFICATION_TOPIC": self.notices,
            "GINKGO_DATA__WORKER__TOPICS": f"[{self.data}, {self.control}]",
            "GINKGO_DATA__WORKER__GROUP_ID": self.group,
            "GINKGO_DATA__REDIS__URL": self.redis_url,
            "GINKGO_DATA__HEARTBEAT__KEY_PREFIX": self.prefix,
        }

    def config(self, **more: object) -> KafkaConfig:
        return KafkaConfig(
            **{
                "bootstrap_servers": self.kafka.bootstrap,
                "topics": (self.data, self.control),
                "group_id": self.group,
                "work_topic": self.work,
                "dead_letter_topic": self.letters,
                "notification_topic": self.notices,
                **more,
            }
        )

    @property
    def producer(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = KafkaProducer(self.config())
        return self._producer

    def make_topics(self, partitions: int = 1) -> None:
        for name in (self.data, self.control, self.notices):
            self.kafka.create_topic(name, partitions)
        KafkaTopics(self.config()).create_own()
        until(lambda: self._led(self.work) and self._led(self.letters))

    def _led(self, topic: str) -> bool:
        found = self.kafka.admin().list_topics(topic, timeout=10).topics[topic].partitions
        return bool(found) and all(partition.leader >= 0 for partition in found.values())

    def run(self, *arguments: object, **more: str) -> program.Ended:
        """Run the program on this fleet, in this process: a process of its own takes a second to begin."""
        return run_here(*arguments, env={**self.env, **more})

    def start(self, *arguments: object) -> subprocess.Popen:
        """Start the program on this fleet in a process of its own."""
        return program.start(*arguments, env=self.env)

    def values(self, topic: str) -> list[bytes | None]:
        return [message.value() for message in read_all(self.kafka.bootstrap, topic)]

    def give_up(self, value: bytes | None, **more: object) -> str:
        """Keep a dead letter of a record with this value, which really stands on its topic; return its key."""
        topic = more.pop("topic", self.data)
        headers, key = more.pop("headers", {}), more.pop("key", None)
        self.producer.send(topic, value, key, headers)
        last = read_all(self.kafka.bootstrap, topic)[-1]
        record = RawRecord(Partition(topic, last.partition()), last.offset(), value, headers, datetime.now(UTC), key)
        letter = DeadLetter(decode_command(record), **{"reason": "why", "error": "E", "attempts": 1, **more})
        KafkaDeadLetters(self.producer, self.letters).write(letter)
        return dead_letter_key(letter)

    def heartbeats(self) -> RedisHeartbeats:
        if self._redis is None:
            self._redis = RedisClient(RedisConfig(url=self.redis_url), SystemClock())
        return RedisHeartbeats(self._redis, encode_heartbeat, decode_heartbeat, self.prefix)

    def redis_call(self, command):
        """Return what `command` returns for the library's client."""
        self.heartbeats()
        assert self._redis is not None
        return self._redis.call("a test's own question", command)

    def beat(self, node: str, **more: object) -> None:
        """Let a worker be alive for a minute."""
        fields = {
            "status": WorkerStatus.RUNNING,
            "sent_at": datetime.now(UTC),
            "host": "host-a",
            "pid": 7,
            "stats": WorkerStats(messages_processed=5, bars_written=1200),
            "uptime_seconds": 3725.0,
            "progress": {"rounds": 3, "lag": 2, "last_commit": datetime.now(UTC).isoformat()},
            **more,
        }
        self.heartbeats().beat(Heartbeat(node, **fields), 60.0)

    @contextmanager
    def answering(self, *nodes: str, reply) -> Iterator[list[Delivery]]:
        """Let workers tell, for each command that arrives, what ``reply(delivery)`` yields: pairs of kind and data."""
        seen: list[Delivery] = []
        ended, ready = threading.Event(), threading.Event()

        def work() -> None:
            reader = Consumer(
                {
                    "bootstrap.servers": self.kafka.bootstrap,
                    "group.id": f"{self.mark}.answering",
                    "auto.offset.reset": "earliest",
                    "enable.auto.commit": False,
                }
            )
            reader.subscribe([self.data, self.control], on_assign=lambda *_: ready.set())
            while not ended.is_set():
                message = reader.poll(0.1)
                if message is None or message.error():
                    continue
                place = Partition(message.topic(), message.partition())
                delivery = decode_command(RawRecord(place, message.offset(), message.value()))
                seen.append(delivery)
                for node in nodes:
                    for kind, data in reply(delivery):
                        KafkaNotifications(self.producer, self.notices, node).event(kind, data)
            reader.close()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        until(ready.is_set)
        try:
            yield seen
        finally:
            ended.set()
            thread.join(20.0)

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close()
        if self._redis is not None:
            self._redis.close()


def demand(code: str = "000001.SZ", **more: object) -> bytes:
    """Return a snapshot as upstream's three keys."""
    return json.dumps({**DEMAND, "params": {"code": code}, **more}).encode()


def outcome(delivery: Delivery, ends: str = "done", **more: object) -> Mapping[str, object]:
    """Return one outcome of ``command_ended`` as the worker tells it."""
    return {
        "request_id": delivery.request_id,
        "delivery_id": delivery.delivery_id,
        "record": delivery.record.delivery_id,
        "command": "bar_snapshot",
        "outcome": ends,
        "parked": 0,
        "reason": "",
        "error": "",
        "codes": [],
        "codes_total": 0,
        "attempt": 0,
        "piece": 0,
        **more,
    }
