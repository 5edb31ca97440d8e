"""The workers of deploy/docker-compose.yml in containers, on servers of this machine.

The shipped file is used as it is, with a second one that says where the servers are. Kafka, Redis and ClickHouse of the
shipped file are not started: their images cannot be had everywhere, so they are the tests' own processes, reached on
a network between the containers and this machine.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_docker.plugin import DockerComposeExecutor

from support.container_engine import ContainerEngine
from support.worker_image import ROOT, WorkerImage

COMPOSE_FILE = ROOT / "deploy" / "docker-compose.yml"
SERVICE = "data-worker"
_OURS = (SERVICE, "topics-apply", "schema-apply")
_PATIENCE = 120.0


class WorkerContainers:
    """One project of Compose. `environment` is what the second file changes in the shipped one's environments."""

    def __init__(
        self,
        engine: ContainerEngine,
        image: WorkerImage,
        directory: Path,
        network: str,
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
    ) -> None:
        self.project = f"ginkgo-test-{uuid.uuid4().hex[:10]}"
        self.engine = engine
        self.config = directory / "config" / "data_worker.yml"
        self._secrets = directory / "secrets"
        self._second = directory / "test.yml"
        variables = {
            **engine.environment,
            "GINKGO_DATA_IMAGE": image.name,
            "GINKGO_DATA_CONFIG_DIR": str(self.config.parent),
            "GINKGO_DATA_SECRETS_DIR": str(self._secrets),
        }
        told = shlex.join(f"{name}={value}" for name, value in variables.items())
        files = [str(COMPOSE_FILE), str(self._second)]
        self._asking = DockerComposeExecutor(f"env {told} {engine.compose_command}", files, self.project)
        for folder in (self.config.parent, self._secrets):
            folder.mkdir()
            folder.chmod(0o755)
        for name, secret in secrets.items():
            (self._secrets / name).write_text(secret, "utf-8")
            (self._secrets / name).chmod(0o444)
        changed = {
            "services": {name: {"environment": dict(environment)} for name in _OURS},
            "networks": {"default": {"external": True, "name": network}},
        }
        self._second.write_text(json.dumps(changed, indent=1), "utf-8")

    def configure(self, settings: Mapping[str, object]) -> None:
        """Write data_worker.yml, as an editor does: beside it, and renamed."""
        new = self.config.with_suffix(".new")
        new.write_text(json.dumps(settings, indent=1), "utf-8")
        new.chmod(0o644)
        new.replace(self.config)

    def up(self, count: int | None = None) -> None:
        """Have `count` workers, none being what the file says."""
        scale = [] if count is None else ["--scale", f"{SERVICE}={count}"]
        self._compose("up", "-d", "--no-deps", "--no-build", *scale, SERVICE)

    def run(self, service: str) -> str:
        """Run a service that ends, to its end, and return what it printed; fails where it does."""
        return self._compose("run", "--rm", "--no-deps", "-T", service)

    def down(self) -> None:
        """Remove everything of the project."""
        self._compose("kill")
        self._compose("down", "-v", "--remove-orphans")

    def running(self) -> list[str]:
        """The ids of the workers that run."""
        filters = [f"label=com.docker.compose.project={self.project}", f"label=com.docker.compose.service={SERVICE}"]
        words = [word for text in filters for word in ("--filter", text)]
        return self.engine.docker("ps", "-q", "--no-trunc", *words).split()

    def inspect(self, container: str, template: str) -> str:
        """Return a part of what the engine knows of a container."""
        return self.engine.docker("inspect", "-f", template, container)

    def healthy(self) -> int:
        """How many workers run and are healthy."""
        running = self.running()
        if not running:
            return 0
        states = self.engine.docker("inspect", "-f", "{{.State.Health.Status}}", *running).split()
        return states.count("healthy")

    def pid(self, container: str) -> int:
        """The process of a container, as this machine counts."""
        return int(self.inspect(container, "{{.State.Pid}}"))

    def resident(self, container: str) -> float:
        """MiB of memory that a worker's process has."""
        status = Path(f"/proc/{self.pid(container)}/status").read_text("ascii")
        return int(re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[0]) / 1024

    def kill(self, container: str) -> None:
        """Kill a worker's process (SIGKILL) behind the engine's back."""
        os.kill(self.pid(container), signal.SIGKILL)

    def stop(self, container: str) -> int:
        """Stop a container as its operator does, and return the exit code; 137: it was killed."""
        self.engine.docker("stop", "--time", "30", container)
        return int(self.inspect(container, "{{.State.ExitCode}}"))

    def execute(self, container: str, *words: str) -> str:
        """Run a command in a container. Raises `EngineFailed`."""
        return self.engine.docker("exec", container, *words)

    def logs(self) -> str:
        """Everything that the workers have written."""
        return self._compose("logs", "--no-color", SERVICE)

    def until(self, condition: Callable[[], bool], otherwise: str, patience: float = _PATIENCE) -> float:
        """Wait until `condition()`, and return the seconds that took. Fails with `otherwise` and the workers' logs."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > patience:
                raise AssertionError(f"{otherwise} (after {patience:g} s)\n{self._account()}")
            time.sleep(0.1)
        return time.monotonic() - began

    def _account(self) -> str:
        found = self.engine.docker("ps", "-a", "--format", "{{.Names}} {{.Status}}")
        checks = [self.inspect(container, "{{json .State.Health}}") for container in self.running()]
        return "\n".join([found, *checks, self.logs()[-20_000:]])

    def _compose(self, *words: str) -> str:
        return bytes(self._asking.execute(shlex.join(words))).decode("utf-8", "replace")
