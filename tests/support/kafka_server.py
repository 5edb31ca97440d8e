"""A Kafka of the tests: one Apache Kafka broker, its own controller (KRaft), in one Java process.

The jars are fetched by scripts/kafka_jars.sh, which .ci/run calls; nothing is downloaded here.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from support.processes import HOST, ServerProcess, StartFailed, free_port

VERSION = os.environ.get("GINKGO_TEST_KAFKA_VERSION", "4.1.1")
_JAVA_OPTIONS = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true"]
_LOG4J = """\
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
"""
SETTINGS: Mapping[str, object] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": 1,
    # One broker holds everything; few partitions are quickly made and quickly recovered after a kill.
    "default.replication.factor": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    # Groups form at once, and may be as impatient as a test wants.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 500,
    "group.consumer.min.session.timeout.ms": 1000,
    "group.consumer.session.timeout.ms": 6000,
    "group.consumer.min.heartbeat.interval.ms": 200,
    "group.consumer.heartbeat.interval.ms": 500,
    # A killed broker's session must be over before its successor is let in.
    "broker.session.timeout.ms": 2000,
    "broker.heartbeat.interval.ms": 200,
    "log.cleaner.dedupe.buffer.size": 16 << 20,
}
"""What a broker of the tests is told beside its places; compose.yml tells the one in a container the same."""


def kafka_jars() -> Path:
    """Where the jars are, once scripts/kafka_jars.sh has fetched them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "ginkgo-data-tests" / f"kafka-{VERSION}"


def kafka_missing() -> str | None:
    """Say what keeps Kafka from being started here, if anything does."""
    if not shutil.which("java"):
        return "java is not on PATH (Debian: apt-get install default-jre-headless)"
    if not kafka_jars().is_dir():
        return f"Kafka's jars are not in {kafka_jars()} (sh scripts/kafka_jars.sh fetches them, with Maven)"
    return None


class KafkaTopics:
    """Topics of the broker at `bootstrap`."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        """``host:port``, for ``bootstrap.servers``."""

    def admin(self) -> AdminClient:
        """Return a new admin client of this broker; it is quiet about a broker that is away."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Create a topic and return its name, once it can be written and read. Raises `KafkaException`."""
        admin = self.admin()
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        admin.create_topics([topic], operation_timeout=15)[name].result(20)
        _await(lambda: _led(admin, name) >= partitions, f"topic {name} is not led")
        return name

    def delete_topic(self, name: str) -> None:
        """Delete a topic and its records. Raises `KafkaException`."""
        admin = self.admin()
        admin.delete_topics([name], operation_timeout=15)[name].result(20)
        _await(lambda: _led(admin, name) == 0, f"topic {name} is still there")

    def partitions(self, name: str) -> int:
        """How many partitions a topic has; 0 where there is none such."""
        return len(self.admin().list_topics(name, timeout=10).topics[name].partitions)

    def answers(self) -> bool:
        """Whether a broker answers. Raises `OSError` where nobody listens."""
        host, _, port = self.bootstrap.rpartition(":")
        socket.create_connection((host, int(port)), 1.0).close()
        try:
            return bool(self.admin().list_topics(timeout=2).brokers)
        except KafkaException:
            return False


def _led(admin: AdminClient, topic: str) -> int:
    found = admin.list_topics(topic, timeout=10).topics[topic].partitions.values()
    return sum(partition.leader >= 0 for partition in found)


def _await(reached: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 20
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.02)


class KafkaServer(KafkaTopics, ServerProcess):
    """A broker of one's own. `settings` are more or other lines of its server.properties."""

    def __init__(self, directory: Path, settings: Mapping[str, object] | None = None) -> None:
        self.port = free_port()
        self._directory = directory
        self._properties = directory / "server.properties"
        self._java = ["java", *_JAVA_OPTIONS, "-cp", f"{kafka_jars()}/*"]
        self._java.append(f"-Dlog4j2.configurationFile={directory / 'log4j2.properties'}")
        self._settings = {**SETTINGS, **self._places(), **(settings or {})}
        KafkaTopics.__init__(self, f"{HOST}:{self.port}")
        command = [*self._java, "kafka.Kafka", str(self._properties)]
        ServerProcess.__init__(self, "Kafka", command, directory / "kafka.log", self.answers, 60.0)

    @property
    def address(self) -> str:
        """The same as `bootstrap`."""
        return self.bootstrap

    @property
    def origin(self) -> str:
        """What it is, for the report of a run."""
        return f"process, Apache Kafka {VERSION}"

    def start(self) -> None:
        """Start on the data of `directory`, which is made at the first start. Raises `StartFailed`."""
        if not self._properties.exists():
            self._format()
        super().start()

    def _places(self) -> dict[str, object]:
        controller = free_port()
        return {
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "log.dirs": self._directory / "data",
        }

    def _format(self) -> None:
        (self._directory / "log4j2.properties").write_text(_LOG4J, "utf-8")
        lines = "".join(f"{name}={value}\n" for name, value in self._settings.items())
        self._properties.write_text(lines, "utf-8")
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "a")
        words = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties)]
        done = subprocess.run([*self._java, *words], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            self._properties.unlink()
            raise StartFailed(f"Kafka's directory could not be made: {done.stdout}{done.stderr}")
