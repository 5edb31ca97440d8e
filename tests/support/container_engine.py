"""A container engine for the tests of the image: one that answers already, or one of this session's own.

One's own is Debian's dockerd, started by root with its data in a temporary folder, without a bridge and without a rule
of the firewall: what it starts is reached on a network made for it (`network`), or not at all. A guardian ends it,
with all containers and networks, when the one who started it ends, however that is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from support.containers import EngineFailed, compose_command
from support.processes import StartFailed

_SECONDS = 60.0
_START_SECONDS = 60.0
_GUARDIAN = """
folder=$1; shift
export DOCKER_HOST=unix://$folder/docker.sock
"$@" >"$folder/log" 2>&1 &
engine=$!
cat >/dev/null
docker ps -aq | xargs -r docker rm -f -v >/dev/null 2>&1
docker network prune -f >/dev/null 2>&1
kill "$engine"
wait "$engine"
umount "$folder"/exec/netns/* 2>/dev/null
rm -rf "$folder"
"""


class ContainerEngine:
    """An engine by its socket, none being the client's own choice. `origin` says what it is."""

    def __init__(self, socket: str | None, origin: str, compose: str) -> None:
        self.environment: dict[str, str] = {"DOCKER_HOST": socket} if socket else {}
        """What tells docker's client, and Compose, which engine it is."""
        self.origin = origin
        self.compose_command = compose
        """How Compose is called: ``docker compose`` or ``docker-compose``."""

    def docker(self, *words: str, seconds: float = _SECONDS) -> str:
        """Run docker's client and return what it printed. Raises `EngineFailed`."""
        command, environment = ["docker", *words], {**os.environ, **self.environment}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False, env=environment
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineFailed(f"docker {words[0]}: {error}") from error
        if done.returncode:
            raise EngineFailed(f"docker {words[0]}: {done.stdout[-4000:].strip()}\n{done.stderr[-4000:].strip()}")
        return done.stdout.strip()

    def has_image(self, name: str) -> bool:
        """Whether the image is there."""
        try:
            self.docker("image", "inspect", name)
        except EngineFailed:
            return False
        return True

    @contextmanager
    def network(self) -> Iterator[tuple[str, str]]:
        """Make a network and give its name and this machine's address on it; it is removed in the end."""
        name = f"ginkgo-test-{uuid.uuid4().hex[:10]}"
        self.docker("network", "create", name)
        try:
            yield name, self.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", name)
        finally:
            self.docker("network", "rm", name)


def engine_missing() -> str | None:
    """Say what keeps the tests from having an engine, if anything does. Nothing is started."""
    if not shutil.which("docker"):
        return "docker is not on PATH (Debian: apt-get install docker.io docker-compose debootstrap)"
    if compose_command() is None:
        return "neither `docker compose` nor `docker-compose` works"
    if _answers(os.environ):
        return None
    if not shutil.which("dockerd"):
        return "no engine answers, and dockerd is not on PATH"
    return None if os.geteuid() == 0 else "no engine answers, and only root can start one"


@contextmanager
def container_engine() -> Iterator[ContainerEngine]:
    """Give an engine; ask `engine_missing` first. Raises `StartFailed`."""
    compose = compose_command()
    assert compose is not None
    if _answers(os.environ):
        yield ContainerEngine(None, "container engine that was there", compose)
        return
    with _own_engine() as socket:
        version = subprocess.run(["dockerd", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        yield ContainerEngine(socket, f"{version.split(',')[0]}, started by the tests", compose)


@contextmanager
def _own_engine() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="gd-"))  # short: a socket's path has a hundred letters
    socket = f"unix://{folder / 'docker.sock'}"
    words = ["dockerd", "--host", socket, "--bridge", "none", "--iptables=false", "--ip6tables=false"]
    words += ["--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")]
    words += ["--pidfile", str(folder / "pid")]
    guardian = subprocess.Popen(
        ["sh", "-c", _GUARDIAN, "guardian", str(folder), *words], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers({**os.environ, "DOCKER_HOST": socket}):
            if time.monotonic() > deadline:
                log = (folder / "log").read_text("utf-8", "replace").splitlines()[-30:]
                raise StartFailed("dockerd does not answer:\n" + "\n".join(log))
            time.sleep(0.2)
        yield socket
    finally:
        assert guardian.stdin is not None
        guardian.stdin.close()
        guardian.wait(60.0)


def _answers(environment: Mapping[str, str]) -> bool:
    words = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(words, capture_output=True, timeout=15.0, check=False, env=dict(environment))
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
