"""A worker over a memory stack, with nothing to wait for."""

from __future__ import annotations

import json
import threading
from datetime import datetime

import pytest

from ginkgo_data.adapters.kafka.wire import decode_command
from ginkgo_data.adapters.memory.broadcasts import InMemoryBroadcasts
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.retry import RetryPolicy
from ginkgo_data.entrypoints.parts import WorkerOptions, WorkerParts
from ginkgo_data.entrypoints.worker import DataWorker
from support.bars import bars
from support.stack import FIVE, VENDOR, InMemoryBarSource, Stack

A, B = "000001.SZ", "600519.SH"
TOPIC = "ginkgo.data.commands"
QUICK = WorkerOptions(
    "node-1",
    poll_timeout=0.02,
    coalesce_wait=0.0,
    heartbeat_interval=0.05,
    heartbeat_ttl=30.0,
    backoff=RetryPolicy(first_delay=0.01, max_delay=0.02),
)


class FridayEvening(SystemClock):
    """The host's clock, but for the date, so that waiting is real and sessions are known."""

    def now(self) -> datetime:
        return super().now().replace(year=2024, month=1, day=12, hour=18)


class Working:
    """A worker over a memory stack."""

    def __init__(self, parts: Stack | None = None) -> None:
        market = BarBatch.concat([bars(A, FIVE), bars(B, FIVE)])
        self.parts = parts or Stack(source=InMemoryBarSource(market, capabilities=VENDOR))
        self.clock = FridayEvening()
        self.closed = threading.Event()

    def worker(self, **replaced: object) -> DataWorker:
        parts = self.parts
        pieces = {
            "stream": lambda: parts.stream,
            "broadcasts": lambda: InMemoryBroadcasts(decode_command, parts.broker),
            "round": parts.round,
            "work_queue": parts.work_queue,
            "heartbeats": parts.heartbeats,
            "notifications": parts.notifications,
            "reporter": parts.reporter,
            "marks": parts.marks,
            "calendar": parts.calendar,
            "versions": parts.versions,
            "clock": self.clock,
            "close": self.closed.set,
        }
        options = replaced.pop("options", QUICK)
        if "stream" in replaced:
            stream = replaced.pop("stream")
            replaced["stream"] = lambda: stream
        return DataWorker(WorkerParts(**{**pieces, **replaced}), options)

    def send(self, command: str = "bar_snapshot", **params: object) -> None:
        self.parts.broker.put(TOPIC, json.dumps({"command": command, "params": params}).encode())

    def until(self, condition, seconds: float = 10.0) -> None:
        tick = threading.Event()
        for _ in range(int(seconds / 0.01)):
            if condition():
                return
            tick.wait(0.01)
        pytest.fail("the condition was never met")
