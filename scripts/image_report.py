"""Print what the image of a worker weighs and how long it takes to start, on the engine that docker's client talks to.

Usage: python scripts/image_report.py [IMAGE] [--runs 5]

`start` is from the engine's start of the container until the worker's page of health is open: Python, libraries,
configuration and wiring, without waiting for a server (the container has no network, and reaches none).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from datetime import datetime

OPEN = "health and metrics are at"
PATIENCE = 60.0
# A worker does not start without its vendor's address and a token; nobody is asked there.
VENDOR = ("-e", "GINKGO_DATA__SOURCES__TUSHARE__BASE_URL=http://127.0.0.1:9", "-e", "TUSHARE_TOKEN=none")


def docker(*words: str) -> str:
    """Run docker's client and return what it printed; ends the program with its message when it fails."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"docker {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip() or done.stderr.strip()


def megabytes(size: str | int) -> str:
    """Return bytes in MiB."""
    return f"{int(size) / 2**20:.0f} MiB"


def started(image: str) -> float:
    """Start a worker, and return the seconds until its page was open."""
    container = docker("run", "-d", "--network", "none", "--read-only", "--cap-drop", "ALL", *VENDOR, image)
    try:
        began = datetime.fromisoformat(docker("inspect", "-f", "{{.State.StartedAt}}", container))
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in docker("logs", container).splitlines():
                if OPEN in line:
                    return (datetime.fromisoformat(json.loads(line)["time"]) - began).total_seconds()
            time.sleep(0.1)
        sys.exit(f"the worker did not open its page within {PATIENCE:g} s:\n{docker('logs', container)}")
    finally:
        docker("rm", "-f", container)


def main() -> None:
    """Print size, layers and start."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("image", nargs="?", default="ginkgo-data-worker:latest")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    print(f"image {asked.image}: {megabytes(docker('image', 'inspect', '-f', '{{.Size}}', asked.image))}")
    history = docker("history", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", asked.image)
    for size, _, step in (line.partition(" ") for line in history.splitlines()):
        if int(size) >= 1 << 20:
            print(f"  {megabytes(size):>8}  {step.removeprefix('/bin/sh -c ')[:70] or 'base'}")
    seconds = [started(asked.image) for _ in range(asked.runs)]
    print(f"start {statistics.median(seconds):.2f} s  ({min(seconds):.2f} … {max(seconds):.2f}, {asked.runs} runs)")


if __name__ == "__main__":
    main()
