"""A reload between two rounds: what changes is in force, what cannot be used changes nothing, each is told once."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml
from dependency_injector.containers import DynamicContainer
from dependency_injector.providers import Provider

from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.memory.alert_memory import InMemoryAlertMemory
from ginkgo_data.domain.model.errors import BrokerUnavailable
from ginkgo_data.domain.model.quality import Severity
from ginkgo_data.domain.model.series import DAILY
from ginkgo_data.domain.model.worker import WorkerStatus
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.entrypoints.parts import WorkerParts
from ginkgo_data.entrypoints.reloading import Reloading
from ginkgo_data.entrypoints.worker import DataWorker
from support.processes import HOST, free_port

pytestmark = pytest.mark.parametrize("engine", ["embedded"], indirect=True)

DATA = "ginkgo.data.commands"
BARS = """ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount
600519.SH,20200102,10,10,10,10,9,1,1,100,100
600519.SH,20200103,11,11,11,11,10,1,1,100,110
"""
SNAPSHOT = {
    "command": "bar_snapshot",
    "params": {"code": "600519.SH", "start_date": "2020-01-02", "end_date": "2020-01-03", "force": True},
}


class Running:
    """A worker on memory and the embedded engine, reading its configuration from a file."""

    def __init__(self, folder: Path, store: str) -> None:
        (folder / "bars.csv").write_text(BARS)
        self.file = folder / "data_worker.yml"
        self.values: dict[str, dict[str, object]] = {
            "kafka": {"bootstrap_servers": "memory://"},
            "redis": {"url": "memory://"},
            "clickhouse": {"url": store},
            "worker": {"poll_timeout": 0.05, "coalesce_wait": 0.0, "node_id": "n1"},
            "heartbeat": {"interval": 0.2, "ttl": 5},
            "sources": {"bars": ["files"], "files": {"path": str(folder / "bars.csv")}},
        }
        self.write()
        loaded = self.read()
        self.container = Container(settings=loaded.settings)
        self.applied: list[object] = []
        self.reload = Reloading(self.container, loaded, self.read, self.applied.append)
        self.container.reload.override(self.reload)
        self.worker: DataWorker = self.container.worker()
        self.worker.start()
        self.until(lambda: self.worker.is_running)

    def read(self):
        return load_settings(self.file, {}, {}, search=False)

    def write(self, text: str | None = None, **sections: dict[str, object]) -> None:
        for section, values in sections.items():
            self.values.setdefault(section, {}).update(values)
        self.file.write_text(yaml.safe_dump(self.values) if text is None else text)

    def change(self, **sections: dict[str, object]) -> dict[str, object]:
        """Write the file, ask for a reload by command, and return its answer."""
        self.write(**sections)
        return self.asked()

    def asked(self) -> dict[str, object]:
        before = len(self.events("reload_answer"))
        command = {"command": "reload", "request_id": f"r{before}"}
        self.container.broker().put(DATA, json.dumps(command).encode())
        self.until(lambda: len(self.events("reload_answer")) > before)
        return self.events("reload_answer")[-1]

    def events(self, kind: str) -> list[dict]:
        return [data for name, data in self.container.notifications().events if name == kind]

    def collect(self) -> None:
        self.container.broker().put(DATA, json.dumps(SNAPSHOT).encode())
        self.until(lambda: not self.container.broker().pending())

    def until(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20.0
        while not what():
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.01)

    def close(self) -> None:
        assert self.worker.stop(20.0)
        self.reload.close()


@pytest.fixture
def running(store_config: ClickHouseConfig, tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path, store_config.url)
    yield made
    made.close()


def test_what_needs_no_client_is_in_force_with_the_next_round_and_nothing_is_made_anew(running):
    stream = running.worker._intake
    answer = running.change(
        worker={"batch_size": 2000, "round_budget": 30.0},
        quality={"missing_threshold_warning": 0.01},
        heartbeat={"interval": 0.3},
    )
    assert answer["outcome"] == "applied"
    assert answer["changed"] == [
        {"key": "heartbeat.interval", "old": 0.2, "new": 0.3},
        {"key": "quality.missing_threshold_warning", "old": 0.05, "new": 0.01},
        {"key": "worker.batch_size", "old": 1000, "new": 2000},
        {"key": "worker.round_budget", "old": 60.0, "new": 30.0},
    ]
    assert answer["rebuilt"] == []
    assert running.worker._intake is stream
    assert running.worker._options.round_budget == 30.0
    assert running.reload.container.reporter().thresholds.missing_warning == 0.01
    assert [settings.worker.batch_size for settings in running.applied] == [2000]
    running.collect()
    assert running.worker.stats.bars_collected == 2


def test_a_second_opinion_is_asked_for_from_the_next_job_on_and_no_longer_when_it_is_turned_off(running):
    running.collect()
    account = {"bars": ["files"], "tushare": {"base_url": f"http://{HOST}:{free_port()}", "token": "t"}}
    assert running.change(sources=account)["outcome"] == "applied"
    running.collect()
    on = running.change(quality={"second_opinion": {"source": "tushare", "cells": 1}})
    assert (on["outcome"], on["rebuilt"]) == ("applied", [])
    running.collect()
    running.change(quality={"second_opinion": {"source": None}})
    running.collect()
    notes = [report.notes for report in running.container.notifications().reports]
    # Nobody listens there: that is a note, and the job is done.
    assert notes[0] == notes[1] == notes[3] == ()
    assert "second opinion of tushare: no answer about 2 sessions: unreachable" in notes[2][-1]


def test_the_same_file_changes_nothing_and_says_so(running):
    answer = running.asked()
    assert (answer["outcome"], answer["changed"], running.applied) == ("unchanged", [], [])


def test_another_database_takes_what_is_collected_from_then_on(running, engine):
    running.collect()
    other = engine("reloaded")
    answer = running.change(clickhouse={"url": other.url})
    assert (answer["outcome"], answer["rebuilt"]) == ("applied", ["clock_store", "store"])
    running.collect()
    held = running.reload.container.bar_repository().read(None, DAILY, date(2020, 1, 1), date(2020, 2, 1))
    assert len(held) == 2
    assert running.worker.stats.dead_letters == 0
    running.reload.container.store().command("DROP DATABASE reloaded")


def test_another_group_is_joined_and_nothing_is_lost(running):
    before = running.worker._intake
    answer = running.change(worker={"group_id": "another"})
    assert (answer["outcome"], "stream" in answer["rebuilt"]) == ("applied", True)
    assert running.worker._intake is not before
    assert running.worker.observe().progress["group"] == "another"


def test_a_larger_pool_has_its_threads_before_the_next_round(running):
    answer = running.change(worker={"concurrency": 11})
    assert (answer["outcome"], answer["rebuilt"]) == ("applied", ["pool"])
    running.until(lambda: len([t for t in threading.enumerate() if t.name.startswith("ginkgo-data-call")]) == 11)


BAD = {
    "not YAML": ("worker: [", "not YAML"),
    "an unknown key": ("worker: {bach_size: 5000}", "bach_size"),
    "out of range": ("worker: {batch_size: 5}", "batch_size"),
    "no file": (None, "cannot be read"),
}


@pytest.mark.parametrize(("text", "named"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_used_changes_nothing_and_is_told_until_it_is_good_again(running, text, named):
    if text is None:
        running.file.unlink()
    else:
        running.write(text)
    answer = running.asked()
    assert (answer["outcome"], running.applied) == ("refused", [])
    assert named in answer["error"]
    running.until(lambda: named in (running.worker.observe().degraded or ""))
    running.collect()
    assert running.worker.stats.bars_collected == 2
    running.write()
    assert running.asked()["outcome"] == "unchanged"
    assert running.worker.observe().degraded is None
    told = [alert.severity for alert in running.container.notifications().alerts if alert.subject == "reload"]
    assert told == [Severity.ERROR, Severity.INFO]


def test_a_server_that_does_not_answer_is_refused_before_anything_is_changed(running):
    nowhere = f"{HOST}:{free_port()}"
    store = running.reload.container.store()
    for section, values in (
        ("redis", {"url": f"redis://{nowhere}/0"}),
        ("kafka", {"bootstrap_servers": nowhere}),
        ("clickhouse", {"url": f"clickhouse://{nowhere}/ginkgo"}),
    ):
        kept = dict(running.values[section])
        answer = running.change(**{section: values})
        assert answer["outcome"] == "refused", section
        assert nowhere in answer["error"]
        running.values[section] = kept
    assert running.reload.container.store() is store
    running.write()
    assert running.asked()["outcome"] == "unchanged"
    running.collect()
    assert running.worker.stats.bars_collected == 2


def test_a_group_that_cannot_be_joined_is_left_for_the_one_before(running, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise BrokerUnavailable("the coordinator is away")

    with monkeypatch.context() as broken:
        broken.setattr("ginkgo_data.adapters.memory.command_stream.InMemoryCommandStream.__init__", refuse)
        running.write(worker={"group_id": "another"})
        running.reload.request("test")
        running.until(lambda: running.reload.fault())
    running.until(lambda: running.worker.status is WorkerStatus.RUNNING)
    assert running.worker.observe().progress["group"] == "data_worker_group"
    running.collect()
    assert running.worker.stats.bars_collected == 2


def test_a_secret_is_compared_and_never_shown(running):
    answer = running.change(clickhouse={"password": "hunter2"}, sources={"tushare": {"token": "t0ken-abcdef"}})
    assert answer["outcome"] == "applied"
    assert {"key": "clickhouse.password", "old": "", "new": "***"} in answer["changed"]
    assert {"key": "sources.tushare.token", "old": "", "new": "***"} in answer["changed"]
    again = running.change(sources={"tushare": {"token": "t0ken-ghijkl"}})
    assert again["changed"] == [{"key": "sources.tushare.token", "old": "***", "new": "***"}]
    assert "hunter2" not in str(running.container.notifications().events)
    assert "t0ken" not in str(running.container.notifications().events)


def test_who_the_worker_is_changes_with_a_new_start_only(running):
    answer = running.change(worker={"node_id": "n2"})
    assert answer["outcome"] == "restart_needed"
    assert answer["changed"] == [{"key": "worker.node_id", "old": "n1", "new": "n2"}]
    assert running.worker.observe().node_id == "n1"


def test_triggers_that_arrive_together_are_one_reload_and_each_request_is_answered(running):
    running.write(worker={"batch_size": 3000})
    with running.reload._lock:  # the worker sees all of them or none
        running.reload._asked.triggers += ["SIGHUP", "file"]
        running.reload._asked.request_ids += ["a", "b"]
    running.until(lambda: len(running.events("reload_answer")) == 2)
    answers = running.events("reload_answer")
    assert [answer["request_id"] for answer in answers] == ["a", "b"]
    assert {tuple(answer["triggers"]) for answer in answers} == {("SIGHUP", "file")}
    assert len(running.applied) == 1


def test_many_reloads_leave_no_thread_and_no_part_behind(running):
    running.change(worker={"concurrency": 3})
    threads = threading.active_count()
    gc.collect()
    before = len([one for one in gc.get_objects() if type(one) is DynamicContainer and "worker_parts" in one.providers])
    for number in range(20):
        answer = running.change(worker={"concurrency": 3, "batch_size": 1000 + number, "group_id": f"g{number % 3}"})
        assert answer["outcome"] == "applied"
    running.until(lambda: threading.active_count() <= threads)
    gc.collect()
    containers = [one for one in gc.get_objects() if type(one) is DynamicContainer]
    parts = [part for part in containers if isinstance(part.providers.get("worker_parts"), Provider)]
    assert len(parts) <= before + 2, "the first container, and the one in force"


def test_what_a_reload_replaces_is_gone_when_it_is_over(running):
    def parts() -> int:
        return sum(type(one) is WorkerParts and one.reload is running.reload for one in gc.get_objects())

    gc.disable()  # nobody but the worker itself looks for leftovers
    try:
        for number in range(3):
            assert running.change(worker={"group_id": f"g{number}"})["outcome"] == "applied"
            running.until(lambda: parts() == 1)
    finally:
        gc.enable()


def test_a_container_that_lives_on_for_one_part_keeps_no_other(running):
    """Each makes a pool, which stays; what it had selected for a group has to go with the group."""

    def memories() -> int:
        return sum(type(one) is InMemoryAlertMemory for one in gc.get_objects())

    gc.collect()
    before = memories()
    for number in range(3):
        assert running.change(worker={"concurrency": 3 + number})["outcome"] == "applied"
        assert running.change(worker={"group_id": f"g{number}"})["outcome"] == "applied"
    running.until(lambda: gc.collect() >= 0 and memories() == before)
