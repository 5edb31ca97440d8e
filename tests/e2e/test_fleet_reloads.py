"""Reloads, good and bad, while commands flow: nothing is lost or done twice, every worker says what came of each."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from support import program
from support.vendor import MarketSpec
from support.worker_fleet import Fleet, command, snapshot

RELOADS = int(os.environ.get("GINKGO_TEST_REPEATS", "1")) * 4
"""Four of ten are bad, by chance; with one repetition the second and the fourth."""
SPEC = MarketSpec(500, "2020-06-01", 3)
SPAN = {"start_date": SPEC.days[0], "end_date": SPEC.days[-1]}
SETTINGS = {
    "worker": {"max_poll_records": 25, "concurrency": 2, "round_budget": 3.0},
    "sources": {"tushare": {"by_session": False, "codes_per_call": 1, "calls_per_minute": 100_000}},
}
WITHIN = 2.0
"""Seconds after the end of its round in which a worker has changed."""


class Configuration:
    """The file of a fleet, written again and again."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self.path = fleet.config
        self.values = yaml.safe_load(self.path.read_text("utf-8"))
        self.good = self.path.read_text("utf-8")
        self._chance = random.Random(seed)

    def better(self, number: int) -> str:
        """Write a good one, and return a key that it changes."""
        kind = self._chance.choice(["batch", "threshold", "concurrency", "group member", "calls"])
        section, key, value = {
            "batch": ("worker", "batch_size", 1000 + number),
            "threshold": ("quality", "missing_threshold_warning", 0.001 * (number % 150 + 1)),
            "concurrency": ("worker", "concurrency", 2 + number % 3),
            "group member": ("kafka", "metadata_interval", 2.0 + number / 1000),
            "calls": ("sources", "tushare", {**self.values["sources"]["tushare"], "timeout": 20 + number}),
        }[kind]
        self.values.setdefault(section, {})[key] = value
        self._replace(yaml.safe_dump(self.values))
        self.good = self.path.read_text("utf-8")
        return f"{section}.{key}"

    def worse(self, number: int) -> str:
        """Write a bad one, and return what its refusal has to name."""
        text, named = self._chance.choice(
            [
                ("worker: [", "not YAML"),
                (f"worker: {{batch_size: -{number}}}", "batch_size"),
                ("worker: {bach_size: 1000}", "bach_size"),
                (self.good.replace("redis://", "redis://127.0.0.1:1/"), "redis"),
            ]
        )
        self._replace(text)
        return named

    def mend(self) -> None:
        self._replace(self.good)

    def _replace(self, text: str) -> None:
        beside = Path(f"{self.path}.new")
        beside.write_text(text, "utf-8")
        beside.replace(self.path)


def answers(fleet: Fleet, request_id: str) -> dict[str, dict]:
    found = [message for message in fleet.told("reload_answer") if message["data"]["request_id"] == request_id]
    return {message["node_id"]: message["data"] for message in found}


@dataclass(frozen=True)
class Figures:
    """What a worker's process has: threads by name, open files, resident memory (MiB)."""

    threads: Counter[str]
    files: int
    memory: float

    @classmethod
    def of(cls, pid: int) -> Figures:
        place = Path(f"/proc/{pid}")
        names = Counter((task / "comm").read_text().strip() for task in (place / "task").iterdir())
        pages = int((place / "statm").read_text().split()[1])
        return cls(names, len(list((place / "fd").iterdir())), pages * 4096 / 2**20)


def figures(fleet: Fleet) -> dict[str, Figures]:
    return {worker.node_id: Figures.of(worker.pid) for worker in fleet.workers}


def test_reloads_good_and_bad_while_commands_flow(fleets):
    fleet = fleets(SPEC, SETTINGS, latency=0.05)
    workers = fleet.start(2, wait=True)
    nodes = {worker.node_id for worker in workers}
    configuration = Configuration(fleet, seed=7)
    chance = random.Random(15)
    waiting = [snapshot(code, **SPAN) for code in SPEC.names]
    share = -(-len(waiting) // RELOADS)
    before: dict[str, Figures] = {}
    for number in range(1, RELOADS + 1):
        fleet.send(waiting[(number - 1) * share : number * share])
        bad = chance.random() < 0.4
        named = configuration.worse(number) if bad else configuration.better(number)
        request_id = f"reload-{number}"
        fleet.send([command("reload", {}, request_id=request_id)])
        fleet.until(lambda r=request_id: nodes <= set(answers(fleet, r)), f"{request_id} was not answered by all", 60)
        for node, answer in answers(fleet, request_id).items():
            if bad:
                assert answer["outcome"] == "refused", (node, answer)
                assert named in answer["error"]
            else:
                # The watch of the file may have been faster than the command: then nothing is left to change.
                assert answer["outcome"] in ("applied", "unchanged"), (node, answer)
                assert answer["seconds"] < WITHIN or "stream" in answer["rebuilt"], (node, answer)
        if bad:
            configuration.mend()
        if number == RELOADS // 2:
            before = figures(fleet)
    fleet.drain(180)
    assert fleet.differences() == []
    assert fleet.doubles() == 0
    assert fleet.dead_letters() == []
    applied = [message for kind in ("reload_answer", "config_reload") for message in fleet.told(kind)]
    assert nodes <= {message["node_id"] for message in applied if message["data"]["outcome"] == "applied"}
    time.sleep(1.0)
    for node, now in figures(fleet).items():
        # A pool may have been made larger since, and calls in threads that were new to the engine's client.
        assert now.threads.total() <= before[node].threads.total() + 8, (before[node], now)
        assert now.files <= before[node].files + 12, (before[node], now)
        assert now.memory <= before[node].memory + 64, (before[node], now)
    fleet.until(lambda: all(not beat["degraded"] for beat in fleet.heartbeats().values()), "a fault was not forgotten")


def test_a_change_of_the_file_and_sighup_reload_without_a_command(fleets):
    fleet = fleets(SPEC, SETTINGS)
    (worker,) = fleet.start(wait=True)
    configuration = Configuration(fleet, seed=1)
    configuration.values["worker"]["batch_size"] = 4321
    configuration.better(1)

    def told() -> list[dict]:
        return [message["data"] for message in fleet.told("config_reload")]

    fleet.until(lambda: len(told()) == 1, "the change of the file was not seen")
    assert told()[0]["triggers"] == ["file"]
    assert {"key": "worker.batch_size", "old": 1000, "new": 4321} in told()[0]["changed"]
    worker.hang_up()
    fleet.until(lambda: len(told()) == 2, "SIGHUP was not heard")
    assert (told()[1]["triggers"], told()[1]["outcome"]) == (["SIGHUP"], "unchanged")
    beat = fleet.heartbeats()[worker.node_id]
    assert beat["progress"]["reload"]["outcome"] in ("applied", "unchanged")
    asked = program.run("config", "reload", "--wait", "--config", fleet.config)
    assert asked.code == 0, asked
    assert f"{worker.node_id} answered: outcome unchanged" in asked.out
    Path(fleet.config).write_text("worker: [", "utf-8")
    refused = program.run("send", "reload", "--wait", "--config", fleet.config)
    assert refused.code == 2, "the program reads that file too"
