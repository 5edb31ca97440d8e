"""The servers that other tests rely on: they come, keep what they were given through a kill, and leave with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from ginkgo_data.adapters.clickhouse.client import open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from support.processes import HOST, ServerProcess, StartFailed, free_port
from support.redis_server import RedisServer, redis_missing
from support.servers import (
    REQUIRE,
    SERVERS,
    BorrowedClickHouse,
    BorrowedKafka,
    BorrowedRedis,
    missing,
    pytest_terminal_summary,
    redis_running,
    wants_container,
)

TESTS = Path(__file__).parents[1]
needs_redis_process = pytest.mark.skipif(redis_missing() is not None, reason=str(redis_missing()))


def consumer(bootstrap: str, group: str, protocol: str = "classic") -> Consumer:
    settings = {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "log_level": 0}
    # A broker that was killed may miss a member's leaving, and waits for the end of its session.
    quick = {"session.timeout.ms": 6000} if protocol == "classic" else {}
    return Consumer({**settings, "enable.auto.commit": False, "group.protocol": protocol, **quick})


def produce(bootstrap: str, topic: str, *values: bytes) -> None:
    errors = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert errors == [None] * len(values)


def take(reader: Consumer) -> bytes:
    message = reader.poll(60)
    assert message is not None
    assert message.error() is None
    return message.value()


def committed_offsets(reader: Consumer, topic: str) -> dict[int, int]:
    deadline = time.monotonic() + 30
    while True:
        try:
            found = reader.committed([TopicPartition(topic, n) for n in range(3)], 30)
            return {p.partition: p.offset for p in found}
        except KafkaException:  # a broker that has just come back looks for its coordinator first
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def number(config: ClickHouseConfig, sql: str) -> int:
    client = open_client(config)
    try:
        return client.query(sql).column(0)[0].as_py()
    finally:
        client.close()


def test_kafka_killed_and_started_again_keeps_records_and_committed_offsets(kafka_server) -> None:
    topic = kafka_server.create_topic(f"servers-{uuid.uuid4().hex}", 3)
    assert kafka_server.partitions(topic) == 3
    produce(kafka_server.bootstrap, topic, b"first", b"second")
    reader = consumer(kafka_server.bootstrap, topic)
    reader.subscribe([topic])
    taken = take(reader)
    reader.commit(asynchronous=False)
    committed = committed_offsets(reader, topic)
    assert max(committed.values()) == 1
    pid = kafka_server.pid
    kafka_server.kill()
    assert not kafka_server.running
    kafka_server.start()
    assert kafka_server.pid != pid
    reader.close()
    again = consumer(kafka_server.bootstrap, topic)
    assert committed_offsets(again, topic) == committed
    again.subscribe([topic])
    assert {taken, take(again)} == {b"first", b"second"}
    again.close()


def test_kafka_knows_the_consumer_protocol_and_goes_on_after_a_freeze(kafka_server) -> None:
    topic = kafka_server.create_topic(f"servers-{uuid.uuid4().hex}", config={"max.message.bytes": "8000000"})
    reader = consumer(kafka_server.bootstrap, topic, "consumer")
    reader.subscribe([topic])
    produce(kafka_server.bootstrap, topic, b"before")
    assert take(reader) == b"before"
    kafka_server.freeze()
    assert reader.poll(1.0) is None
    kafka_server.thaw()
    produce(kafka_server.bootstrap, topic, b"after")
    assert take(reader) == b"after"
    reader.close()
    kafka_server.delete_topic(topic)
    assert kafka_server.partitions(topic) == 0


def test_kafka_makes_no_topic_that_nobody_created(kafka_server) -> None:
    assert kafka_server.partitions(f"nobody-{uuid.uuid4().hex}") == 0


def test_redis_killed_and_started_again_keeps_what_it_acknowledged(redis_server) -> None:
    key = f"servers:{uuid.uuid4().hex}"
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.ping()
        client.set(key, "kept")
        redis_server.kill()
        with pytest.raises(redis.ConnectionError):
            client.get(key)
        redis_server.start()
        assert client.get(key) == b"kept"


def test_a_frozen_server_answers_nobody_and_goes_on_when_thawed(redis_server) -> None:
    with redis.Redis.from_url(redis_server.url, socket_timeout=0.3, retry=None) as client:
        client.ping()
        redis_server.freeze()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        assert redis_server.running
        redis_server.thaw()
        assert client.ping()


def test_clickhouse_killed_and_started_again_keeps_what_it_acknowledged(clickhouse_server) -> None:
    name = f"servers_{uuid.uuid4().hex}"
    config = ClickHouseConfig(url=clickhouse_server.database(name))
    assert number(ClickHouseConfig(url=clickhouse_server.url), "SELECT 1") == 1
    client = open_client(config)
    client.command("CREATE TABLE numbers (n UInt32) ENGINE = MergeTree ORDER BY n")
    client.command("INSERT INTO numbers SETTINGS async_insert = 0 VALUES (41), (1)")
    clickhouse_server.kill()
    clickhouse_server.start()
    assert number(config, "SELECT sum(n) FROM numbers") == 42
    client.command(f"DROP DATABASE {name}")
    client.close()


@needs_redis_process
def test_a_server_asked_to_stop_stops_frozen_or_not(tmp_path: Path) -> None:
    with redis_running(tmp_path, password="planted-secret") as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        server.freeze()
        server.stop()
        assert not server.running
        server.stop()
        server.heal()
        assert server.running
        server.freeze()
    assert server.pid is None


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('the disk is full')"]
    server = ServerProcess("Disk", command, tmp_path / "log", lambda: False)
    with pytest.raises(StartFailed, match=r"Disk ended with 1(?s:.)*the disk is full"):
        server.start()
    unknown = ServerProcess("Nothing", ["no-such-program"], tmp_path / "log", lambda: False)
    with pytest.raises(StartFailed, match=r"Nothing could not be started(?s:.)*no-such-program"):
        unknown.start()


def test_a_server_that_never_answers_is_ended(tmp_path: Path) -> None:
    server = ServerProcess("Mute", ["sleep", "60"], tmp_path / "log", lambda: False, start_seconds=0.3)
    with pytest.raises(StartFailed, match="Mute did not answer"):
        server.start()
    assert not server.running


@needs_redis_process
@pytest.mark.parametrize("victim", ["starter", "watcher"])
def test_no_server_survives_a_killed_test_run(tmp_path: Path, victim: str) -> None:
    starting = f"""
        import sys, time
        from pathlib import Path
        sys.path.insert(0, {str(TESTS)!r})
        from support.redis_server import RedisServer, redis_missing
        server = RedisServer(Path({str(tmp_path)!r}))
        server.start()
        print(server.pid, server._watcher.pid, flush=True)
        time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(starting)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        server, watcher = map(int, starter.stdout.readline().split())
        assert exists(server)
        if victim == "watcher":
            os.kill(watcher, signal.SIGKILL)
            await_end(server)
        starter.kill()
    await_end(server)


def await_end(pid: int) -> None:
    deadline = time.monotonic() + 60
    while exists(pid):
        assert time.monotonic() < deadline, f"process {pid} survived"
        time.sleep(0.01)


def exists(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_missing_server_skips_and_a_required_one_fails_with_the_same_reason(monkeypatch) -> None:
    monkeypatch.delenv(REQUIRE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no java here"):
        missing("kafka", "no java here")
    monkeypatch.setenv(REQUIRE, "redis, kafka")
    with pytest.raises(pytest.fail.Exception, match="no java here"):
        missing("kafka", "no java here")


class Docker:
    """The only program on PATH: a docker that knows some words and writes down what it was asked."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._asked = directory / "asked"

    def knows(self, *words: str, program: str = "docker") -> None:
        known = "|".join(words) or "nothing"
        script = (
            f'#!/bin/sh\necho "$*" >>"{self._asked}"\ncase "$1" in {known}) exit 0;; esac\necho "no $1" >&2; exit 1\n'
        )
        place = self._directory / program
        place.write_text(script, "utf-8")
        place.chmod(0o755)

    def asked(self) -> set[str]:
        return (
            {line.split()[0] for line in self._asked.read_text("utf-8").splitlines()} if self._asked.exists() else set()
        )


@pytest.fixture
def docker(monkeypatch, tmp_path: Path) -> Docker:
    for name in (REQUIRE, SERVERS, "DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    directory = tmp_path / "path"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return Docker(directory)


def test_without_docker_a_server_is_a_process_and_without_both_both_reasons_are_said(docker, monkeypatch) -> None:
    assert not wants_container("redis", None)
    with pytest.raises(pytest.skip.Exception, match=r"no redis: no binary here; docker is not on PATH"):
        wants_container("redis", "no binary here")
    monkeypatch.setenv(REQUIRE, "redis")
    with pytest.raises(pytest.fail.Exception, match=r"no binary here; docker is not on PATH"):
        wants_container("redis", "no binary here")


def test_an_engine_that_does_not_answer_is_none(docker) -> None:
    docker.knows()
    assert not wants_container("redis", None)
    with pytest.raises(pytest.skip.Exception, match=r"no container engine answers .docker version: no version"):
        wants_container("redis", "no binary here")


def test_a_server_comes_from_a_container_where_engine_image_and_compose_are_there(docker) -> None:
    docker.knows("version", "image", "compose")
    assert wants_container("redis", None)
    assert wants_container("kafka", None)


def test_the_older_compose_does_as_well_and_without_any_there_is_no_container(docker) -> None:
    docker.knows("version", "image")
    with pytest.raises(pytest.skip.Exception, match="neither `docker compose` nor `docker-compose`"):
        wants_container("redis", "no binary here")
    docker.knows("version", program="docker-compose")
    assert wants_container("redis", None)


def test_an_image_that_is_missing_is_pulled_only_where_containers_are_wanted(docker, monkeypatch) -> None:
    docker.knows("version", "compose", "pull")
    assert not wants_container("redis", None)
    with pytest.raises(pytest.skip.Exception, match=r"the image redis:[\w.]+ is not on this machine"):
        wants_container("redis", "no binary here")
    assert docker.asked() == {"version", "image"}
    monkeypatch.setenv(SERVERS, "containers")
    assert wants_container("redis", None)


def test_where_containers_are_wanted_a_missing_engine_is_a_failure(docker, monkeypatch) -> None:
    monkeypatch.setenv(SERVERS, "containers")
    with pytest.raises(pytest.fail.Exception, match=f"{SERVERS} asks for containers, but docker is not on PATH"):
        wants_container("redis", None)


def test_where_processes_are_wanted_no_engine_is_asked(docker, monkeypatch) -> None:
    docker.knows("version", "image", "compose")
    monkeypatch.setenv(SERVERS, "processes")
    assert not wants_container("redis", None)
    with pytest.raises(pytest.skip.Exception, match=r"no redis: no binary here$"):
        wants_container("redis", "no binary here")
    assert docker.asked() == set()


def test_an_engine_on_another_machine_is_of_no_use_and_not_asked(docker, monkeypatch) -> None:
    docker.knows("version", "image", "compose")
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(pytest.skip.Exception, match=r"another machine \(192.0.2.1\)"):
        wants_container("redis", "no binary here")
    assert docker.asked() == set()


def test_a_wish_that_nobody_knows_is_a_failure(docker, monkeypatch) -> None:
    monkeypatch.setenv(SERVERS, "container")
    with pytest.raises(pytest.fail.Exception, match=f"{SERVERS} is 'container'"):
        wants_container("redis", None)


def test_the_report_says_of_each_server_what_it_was(redis_server) -> None:
    said: list[str] = []
    pytest_terminal_summary(SimpleNamespace(section=said.append, write_line=said.append))
    assert said[0] == "servers"
    assert f"redis: {redis_server.origin}" in said[1:]


def test_a_server_of_someone_else_is_named_without_its_password() -> None:
    borrowed = [
        BorrowedKafka("192.0.2.1:9092"),
        BorrowedRedis("redis://:secret@192.0.2.1:6379/0"),
        BorrowedClickHouse("clickhouse://user:secret@192.0.2.1:8123/ginkgo"),
    ]
    places = [server.origin.removeprefix("someone else's, at ") for server in borrowed]
    assert places == ["192.0.2.1:9092", "192.0.2.1:6379", "192.0.2.1:8123"]


def test_a_server_of_someone_else_is_not_stopped(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv(REQUIRE, raising=False)
    borrowed = BorrowedRedis("redis://192.0.2.1:6379/0")
    for control in (borrowed.stop, borrowed.kill, borrowed.freeze, borrowed.thaw, borrowed.start):
        with pytest.raises(pytest.skip.Exception, match="GINKGO_TEST_REDIS"):
            control()


def test_ports_are_not_those_of_outgoing_connections() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(15_000 <= free_port() < max(first, 20_000) for _ in range(20))
    assert RedisServer(Path("unused")).address.partition(":")[0] == HOST
