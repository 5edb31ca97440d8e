"""The image of a worker, built as deploy/Dockerfile says, on Python's own base or on one made for the tests."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.container_engine import ContainerEngine

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
NAME = "ginkgo-data-worker:test"
_TEST_BASE = "ginkgo-data-test-base:bookworm"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_BUILD_SECONDS = 600.0
# The builder knows these by itself, and keeps them out of the image's history.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class WorkerImage:
    """A built image; `origin` says on which base."""

    name: str
    origin: str


def base_of_dockerfile() -> str:
    """The base that the Dockerfile has where nobody names another one."""
    (found,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    return found


def build_image(engine: ContainerEngine) -> WorkerImage:
    """Build the image of this checkout. Raises `EngineFailed`."""
    base, origin = _base(engine)
    proxies = [word for name in _PROXIES if os.environ.get(name) for word in ("--build-arg", name)]
    # The network of this machine: whatever reaches the package registry here does so there.
    words = ["build", "--network", "host", "--build-arg", f"BASE_IMAGE={base}", *proxies]
    engine.docker(*words, "-f", str(DOCKERFILE), "-t", NAME, str(ROOT), seconds=_BUILD_SECONDS)
    return WorkerImage(NAME, origin)


def _base(engine: ContainerEngine) -> tuple[str, str]:
    wanted = base_of_dockerfile()
    if engine.has_image(wanted):
        return wanted, f"on {wanted}"
    if os.environ.get("GINKGO_TEST_SERVERS") == "containers":
        engine.docker("pull", wanted, seconds=_BUILD_SECONDS)
        return wanted, f"on {wanted}"
    origin = f"NOT on {wanted}, which is not here, but on Debian bookworm with its Python 3.11 (debootstrap)"
    if engine.has_image(_TEST_BASE):
        return _TEST_BASE, origin
    made = subprocess.run(
        ["sh", str(ROOT / "scripts" / "test_base_image.sh")], stdout=subprocess.PIPE, text=True, timeout=900, check=True
    )
    changes = [word for name in ("SSL_CERT_FILE", "PIP_CERT") for word in ("--change", f"ENV {name}={_CERTIFICATES}")]
    # This machine's certificates are the test base's alone; nothing of them is in the Dockerfile.
    engine.docker("import", *changes, "--change", "ENV UV_SYSTEM_CERTS=1", made.stdout.strip(), _TEST_BASE)
    return _TEST_BASE, origin
