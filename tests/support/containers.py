"""Servers of the tests in containers: started through pytest-docker for who asks, removed with what they stored.

Docker's client and Compose (v2, or 1.29) are used as this machine has them; what is started stands in compose.yml.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import yaml
from pytest_docker.plugin import DockerComposeExecutor, get_docker_ip, get_docker_services

from support.clickhouse_server import ClickHouseAddress
from support.kafka_server import KafkaTopics
from support.processes import HOST, StartFailed, free_port
from support.redis_server import RedisAddress

COMPOSE_FILE = Path(__file__).with_name("compose.yml")
_ENGINE_SECONDS = 60.0
_QUESTION_SECONDS = 15.0
_LOG_SHOWN = 60
_STOP_SECONDS = 20
_REMOVE = 'docker ps -aq --filter "label=com.docker.compose.project=$0" | xargs -r docker rm -f -v'


class EngineFailed(Exception):
    """The engine did not do what it was told; the message says what it answered."""


def docker(*words: str, seconds: float = _ENGINE_SECONDS) -> str:
    """Run docker's client and return what it printed. Raises `EngineFailed`."""
    try:
        done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineFailed(f"docker {words[0]}: {error}") from error
    if done.returncode:
        raise EngineFailed(f"docker {words[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def container_missing(service: str, pull: bool = False) -> str | None:
    """Say what keeps a server from running in a container here, if anything does.

    With `pull`, a missing image does not. This only asks: nothing is started and nothing fetched.
    """
    if not shutil.which("docker"):
        return "docker is not on PATH"
    if get_docker_ip() != HOST:
        return f"the engine is on another machine ({get_docker_ip()}), and tests reach their servers on {HOST} only"
    try:
        docker("version", "--format", "{{.Server.Version}}", seconds=_QUESTION_SECONDS)
    except EngineFailed as error:
        return f"no container engine answers ({error})"
    image = image_of(service)
    if not (pull or _succeeds("docker", "image", "inspect", image)):
        return f"the image {image} is not on this machine"
    return None if compose_command() else "neither `docker compose` nor `docker-compose` works"


def compose_command() -> str | None:
    """How Compose is called on this machine, if it is there."""
    ways = ("docker compose", "docker-compose")
    return next((way for way in ways if _succeeds(*way.split(), "version")), None)


def image_of(service: str) -> str:
    """The image compose.yml names for a server."""
    written = yaml.safe_load(COMPOSE_FILE.read_text("utf-8"))["services"][service]["image"]
    return re.sub(r"\$\{(\w+):-(.*?)\}", lambda found: os.environ.get(found[1]) or found[2], written)


def _succeeds(*words: str) -> bool:
    try:
        return not subprocess.run(words, capture_output=True, timeout=_QUESTION_SECONDS, check=False).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


class ServerContainer:
    """One server in a container, with the controls of `ServerProcess`; it is there inside `in_container` only.

    It always starts on what it stored before. `ready` is as for a process.
    """

    def __init__(self, service: str, port: int, ready: Callable[[], bool], start_seconds: float) -> None:
        self.name = service
        self.project = f"ginkgo-test-{service}-{uuid.uuid4().hex[:10]}"
        self.environment = f"GINKGO_TEST_{service.upper()}_PORT={port}"
        self.container = ""
        """The engine's id of it, once it was created."""
        self._ready = ready
        self._start_seconds = start_seconds
        self._frozen = False

    @property
    def origin(self) -> str:
        """What it is, for the report of a run."""
        return f"container, {image_of(self.name)}"

    @property
    def pid(self) -> int | None:
        """The process id of the running server, as the engine's machine counts."""
        return int(self._state("Pid")) or None

    @property
    def running(self) -> bool:
        """Whether the server's process exists; a frozen one does."""
        return bool(self.container) and self._state("Running") == "true"

    def start(self) -> None:
        """Start, and return when the server answers. Nothing happens where it runs. Raises `StartFailed`."""
        if self.running:
            return
        docker("start", self.container)
        self.await_ready()

    def stop(self) -> None:
        """End it as its operator would (SIGTERM); killed when it takes too long. Idempotent."""
        self.thaw()
        docker("stop", "--time", str(_STOP_SECONDS), self.container)

    def kill(self) -> None:
        """End it at once (SIGKILL), frozen or not. Idempotent."""
        if self.running:
            docker("kill", self.container)
        self._frozen = False

    def freeze(self) -> None:
        """Stop all of it in its tracks: connections stay open and nothing is answered."""
        if self.running and not self._frozen:
            docker("pause", self.container)
            self._frozen = True

    def thaw(self) -> None:
        """Let a frozen one go on."""
        if self._frozen:
            docker("unpause", self.container)
            self._frozen = False

    def heal(self) -> None:
        """Make it run again, whatever a test did to it."""
        self.thaw()
        self.start()

    def await_ready(self) -> None:
        """Return when the server answers. Raises `StartFailed`."""
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline:
            try:
                if self._ready():
                    return
            except OSError:
                pass
            if not self.running:
                raise StartFailed(f"{self.name} ended with {self._state('ExitCode')}: {self._log_end()}")
            time.sleep(0.05)
        self.kill()
        raise StartFailed(f"{self.name} did not answer within {self._start_seconds:g} s: {self._log_end()}")

    def _state(self, field: str) -> str:
        return docker("inspect", "--format", f"{{{{.State.{field}}}}}", self.container)

    def _log_end(self) -> str:
        words = ["docker", "logs", "--tail", str(_LOG_SHOWN), self.container]
        said = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_ENGINE_SECONDS, check=False
        )
        return f"{image_of(self.name)}, log:\n{said.stdout.decode('utf-8', 'replace')}"


Container = TypeVar("Container", bound=ServerContainer)


@contextmanager
def in_container(server: Container) -> Iterator[Container]:
    """Start a server in a container of its own, and remove it in the end. Raises `StartFailed`."""
    compose = f"env {server.environment} {compose_command()}"
    files, up, down = [str(COMPOSE_FILE)], [f"up -d {server.name}"], ["down -v"]
    with _removed_with_us(server.project), get_docker_services(compose, files, server.project, up, down):
        asking = DockerComposeExecutor(compose, files, server.project)
        server.container = asking.execute(f"ps -q {server.name}", ignore_stderr=True).decode().strip()
        try:
            server.await_ready()
            yield server
        finally:
            server.kill()


@contextmanager
def _removed_with_us(project: str) -> Iterator[None]:
    """Have the containers of a project removed by a process that outlives this one, however this one ends."""
    words = ["sh", "-c", f"cat >/dev/null; {_REMOVE}", project]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True):
        yield


class KafkaContainer(KafkaTopics, ServerContainer):
    """A broker as `KafkaServer`, of Apache's own image."""

    def __init__(self) -> None:
        self.port = free_port()
        KafkaTopics.__init__(self, f"{HOST}:{self.port}")
        ServerContainer.__init__(self, "kafka", self.port, self.answers, 120.0)

    @property
    def address(self) -> str:
        """The same as `bootstrap`."""
        return self.bootstrap


class RedisContainer(RedisAddress, ServerContainer):
    """A Redis as `RedisServer`."""

    def __init__(self) -> None:
        RedisAddress.__init__(self, f"redis://{HOST}:{free_port()}/0")
        ServerContainer.__init__(self, "redis", self.port, self.answers, 30.0)


class ClickHouseContainer(ClickHouseAddress, ServerContainer):
    """A real ClickHouse server."""

    def __init__(self) -> None:
        self.port = free_port()
        ClickHouseAddress.__init__(self, f"clickhouse://default@{HOST}:{self.port}/ginkgo")
        ServerContainer.__init__(self, "clickhouse", self.port, self.answers, 60.0)
