# Upstream: entrypoints.{cli, program}
# Downstream: yaml
# Role: `ginkgo-data health`: is the worker of this container well? Quick, for a HEALTHCHECK
"""``ginkgo-data health``: asks the worker's page and says in one line what is wrong.

It is run every few seconds beside a worker, so it imports the standard library alone (and YAML, where a data_worker.yml
speaks of health). Exit codes: 0 healthy; 1 not, with the reason, or no answer; 2 wrong use.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence

PORT, HOST = 8080, "127.0.0.1"
"""Where a worker's page is unless it is configured otherwise."""
FILE_VARIABLE, FILE_NAME = "GINKGO_DATA_CONFIG", "data_worker.yml"
PORT_VARIABLE, HOST_VARIABLE = "GINKGO_DATA__HEALTH__PORT", "GINKGO_DATA__HEALTH__HOST"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_LARGEST = 1 << 20
_URL = re.compile(r"http://(?P<host>\[[^\]]+\]|[^:/\s]+)(?::(?P<port>\d{1,5}))?(?P<path>/\S*)?")


class _NoAnswerError(Exception):
    """Nothing that could be read came back."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, print one line (or the page), and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="ginkgo-data health", description="Ask the worker on this host whether it is well."
    )
    parser.add_argument("--url", help="page to ask, such as http://127.0.0.1:8080/healthz")
    parser.add_argument("--port", type=int, help=f"port on this host; health.port when left out ({PORT})")
    parser.add_argument("--config", help="the data_worker.yml of the worker")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds to wait for the answer (5)")
    parser.add_argument(
        "--live", action="store_true", help="be content with a worker that lives: one whose servers are away does"
    )
    parser.add_argument("--json", action="store_true", help="print the page and nothing else")
    asked = parser.parse_args(arguments)
    try:
        host, port, path = _place(asked.url, asked.port, asked.config)
    except ValueError as error:
        parser.error(str(error))
    shown = f"http://{host}:{port}{path}"
    try:
        page = _read(host, port, path, asked.timeout)
    except _NoAnswerError as error:
        page = {"alive": False, "healthy": False, "ready": False, "dead": [f"{shown}: {error}"]}
    return _told(page, "alive" if asked.live else "ready" if path == "/readyz" else "healthy", as_json=asked.json)


def _told(page: Mapping[str, object], wanted: str, *, as_json: bool) -> int:
    good = page.get(wanted) is True
    if as_json:
        sys.stdout.write(json.dumps(page, ensure_ascii=False) + "\n")
        return 0 if good else 1
    # What is wrong is said either way; with --live a sick worker passes.
    wrong = [*_texts(page.get("dead")), *_texts(page.get("sick"))]
    more = [*_texts(page.get("unready")), *_texts(page.get("notes"))]
    if not good:
        reasons = wrong or more or ["it does not say why"]
        sys.stdout.write(f"{'unready' if wanted == 'ready' else 'unhealthy'}: {'; '.join(reasons)}\n")
        return 1
    words = [f"{page.get('node_id')} {page.get('status')}", f"{page.get('partitions')} partitions"]
    words += [f"lag {page.get('lag')}", *wrong, *more]
    sys.stdout.write(f"{wanted}: {'; '.join(words)}\n")
    return 0


def _place(url: str | None, port: int | None, config: str | None) -> tuple[str, int, str]:
    """Return host, port and path to ask. Raises `ValueError` with what is allowed."""
    if url is not None:
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError(f"--url is {url!r}; allowed: http://host:port/path")
        return match["host"].strip("[]"), _port_number(match["port"] or 80), match["path"] or "/healthz"
    section = _section(config)
    host = os.environ.get(HOST_VARIABLE) or str(section.get("host") or HOST)
    number = port if port is not None else os.environ.get(PORT_VARIABLE) or section.get("port", PORT)
    if number in (None, 0, "0"):
        raise ValueError("health.port is 0: the worker shows no page")
    return _EVERYWHERE.get(host, host), _port_number(number), "/healthz"


def _port_number(value: object) -> int:
    if not str(value).isdigit() or not 1 <= int(str(value)) <= 65_535:
        raise ValueError(f"the port is {value!r}; allowed: a whole number from 1 to 65535")
    return int(str(value))


def _section(config: str | None) -> Mapping[str, object]:
    """Return section `health` of the worker's file, as far as it can be read: the worker itself says what is wrong."""
    named = config or os.environ.get(FILE_VARIABLE)
    folder = os.environ.get("GINKGO_DIR") or os.path.join(os.path.expanduser("~"), ".ginkgo")  # noqa: PTH111, PTH118
    for path in (named,) if named else (FILE_NAME, os.path.join(folder, FILE_NAME)):  # noqa: PTH118
        try:
            with open(path, "rb") as file:  # noqa: PTH123  (pathlib takes longer to import than all of this)
                text = file.read(_LARGEST)
        except OSError:
            continue
        if b"health" not in text:
            return {}
        import yaml

        try:
            found = yaml.safe_load(text)
        except yaml.YAMLError:
            return {}
        section = found.get("health") if isinstance(found, dict) else None
        return section if isinstance(section, dict) else {}
    return {}


def _read(host: str, port: int, path: str, timeout: float) -> Mapping[str, object]:
    """Return the page's object. Raises `_NoAnswerError` in words."""
    request = f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
    reply = b""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.sendall(request)
            while len(reply) < _LARGEST and (more := connection.recv(65_536)):
                reply += more
    except TimeoutError:
        raise _NoAnswerError(f"no answer within {timeout:g} s: the process is stopped, or has no time at all") from None
    except OSError as error:
        raise _NoAnswerError(f"nobody answers ({error.strerror or error}): is the worker running?") from None
    _, _, body = reply.partition(b"\r\n\r\n")
    try:
        page = json.loads(body)
    except ValueError:
        page = None
    if not isinstance(page, dict) or "alive" not in page:
        raise _NoAnswerError(f"what answers is no worker: {reply[:80]!r}")
    return page


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []
