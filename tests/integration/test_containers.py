"""Servers in containers: the same controls as processes, the same settings, and nothing left behind."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import redis
import yaml

from support import kafka_server
from support.containers import COMPOSE_FILE, RedisContainer, container_missing, docker, image_of, in_container
from support.processes import StartFailed

TESTS = Path(__file__).parents[1]
SERVICES = yaml.safe_load(COMPOSE_FILE.read_text("utf-8"))["services"]


@pytest.fixture(scope="module")
def container():
    if reason := container_missing("redis"):
        pytest.skip(f"no container: {reason}")
    with in_container(RedisContainer()) as server:
        yield server


@pytest.fixture
def client(container):
    container.heal()
    with redis.Redis.from_url(container.url, socket_timeout=0.5, retry=None) as client:
        yield client


def of_project(project: str) -> str:
    return docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={project}")


def test_a_container_keeps_what_it_was_given_through_a_kill_and_a_stop(container, client) -> None:
    for number, end in enumerate((container.kill, container.stop)):
        client.set(f"key{number}", "kept")
        pid = container.pid
        end()
        assert (container.running, container.pid) == (False, None)
        with pytest.raises(redis.ConnectionError):
            client.ping()
        end()
        container.start()
        assert container.pid not in (None, pid)
        assert client.get(f"key{number}") == b"kept"


def test_a_frozen_container_answers_nobody_and_goes_on_where_it_was(container, client) -> None:
    client.set("key", "before")
    container.freeze()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    assert container.running
    container.thaw()
    assert client.get("key") == b"before"


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_frozen_container_can_be_ended_and_healed(container, client, end: str) -> None:
    container.freeze()
    getattr(container, end)()
    assert not container.running
    container.heal()
    assert client.ping()


def test_it_listens_on_loopback_only(container) -> None:
    (line,) = docker("port", container.container).splitlines()
    assert line == f"6379/tcp -> 127.0.0.1:{container.port}"


def test_one_that_never_answers_is_ended_and_removed(container) -> None:
    mute = RedisContainer()
    mute._ready, mute._start_seconds = lambda: False, 0.5
    with (
        pytest.raises(StartFailed, match=r"redis did not answer within 0.5 s(?s:.)*Ready to accept"),
        in_container(mute),
    ):
        pass
    assert of_project(mute.project) == ""


def test_one_that_ends_at_once_shows_its_log(container) -> None:
    broken = RedisContainer()
    broken._ready = lambda: bool(docker("kill", broken.container)) and False
    with pytest.raises(StartFailed, match=r"redis ended with 137(?s:.)*Redis is starting"), in_container(broken):
        pass


def test_no_container_survives_a_killed_test_run(container) -> None:
    starting = f"""
        import sys, time
        sys.path.insert(0, {str(TESTS)!r})
        from support.containers import RedisContainer, in_container
        with in_container(RedisContainer()) as server:
            print(server.project, flush=True)
            time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(starting)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        project = starter.stdout.readline().strip()
        assert of_project(project)
        starter.kill()
    deadline = time.monotonic() + 30
    while of_project(project):
        assert time.monotonic() < deadline, f"a container of {project} survived"
        time.sleep(0.1)


def test_a_broker_in_a_container_has_the_settings_of_one_in_a_process() -> None:
    told = SERVICES["kafka"]["environment"]
    wanted = {f"KAFKA_{name.upper().replace('.', '_')}": str(value) for name, value in kafka_server.SETTINGS.items()}
    assert wanted.items() <= told.items()
    own = {
        "LISTENERS",
        "ADVERTISED_LISTENERS",
        "CONTROLLER_QUORUM_VOTERS",
        "LOG_DIRS",
        "HEAP_OPTS",
        "JVM_PERFORMANCE_OPTS",
    }
    assert told.keys() - wanted.keys() == {f"KAFKA_{name}" for name in own}


def test_every_port_is_of_loopback_and_can_be_chosen() -> None:
    for name, service in SERVICES.items():
        (port,) = service["ports"]
        assert re.match(rf"127\.0\.0\.1:\$\{{GINKGO_TEST_{name.upper()}_PORT:-\d+\}}:", port)


def test_an_image_has_a_version_and_the_environment_may_name_another(monkeypatch) -> None:
    assert image_of("kafka") == f"apache/kafka:{kafka_server.VERSION}"
    for name in SERVICES:
        monkeypatch.delenv(f"GINKGO_TEST_{name.upper()}_VERSION", raising=False)
        assert re.fullmatch(r"[a-z/-]+:\d[\d.]*", image_of(name))
        monkeypatch.setenv(f"GINKGO_TEST_{name.upper()}_VERSION", "99.1")
        assert image_of(name).endswith(":99.1")
