"""What the state of a fleet says is wrong, and how it is shown. No servers."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from ginkgo_data.adapters.kafka.group_watch import GroupMember, PartitionLag
from ginkgo_data.domain.model.worker import Heartbeat, WorkerStats, WorkerStatus
from ginkgo_data.entrypoints.show_status import picture
from ginkgo_data.entrypoints.status import FleetStatus

NOW = datetime(2026, 8, 15, tzinfo=UTC)
WAITING = "680 commands wait and no worker reads them: group g has none"
OURS = GroupMember("ginkgo_data.a", "127.0.0.1", ("data-0",), foreign=False)
FOREIGN = GroupMember("other", "127.0.0.1", ("data-0",), foreign=True)


def beat(node="a", group=None, status=WorkerStatus.RUNNING, **more):
    progress = {"group": group} if group else {}
    return Heartbeat(node, status, NOW, "host", 7, WorkerStats(), progress=progress, **more)


def fleet(*beats, lag=0, members=(OURS,)):
    lags = [PartitionLag("data", 0, None, 0, lag - 80, lag - 80), PartitionLag("data", 1, 0, 0, 80, 80)] if lag else []
    return FleetStatus(NOW, "g", workers=beats, lags=lags, members=members)


def shown(status):
    console = Console(width=120, file=io.StringIO(), highlight=False)
    console.print(picture(status))
    return console.file.getvalue()


@pytest.mark.parametrize("members", [(), (FOREIGN,)])
def test_commands_that_no_worker_reads_are_wrong(members):
    assert WAITING in fleet(beat(), lag=680, members=members).wrong


@pytest.mark.parametrize(("lag", "members"), [(680, (OURS,)), (680, (FOREIGN, OURS)), (0, ()), (680, None)])
def test_commands_that_are_read_or_of_whose_readers_nothing_is_known_are_not(lag, members):
    assert WAITING not in fleet(beat(), lag=lag, members=members).wrong


def test_a_worker_of_another_group_is_shown_and_counts_for_nothing():
    status = fleet(beat("b", "x", WorkerStatus.ERROR, degraded="the store is away"), beat("c", "x"), members=())
    assert status.wrong == ["no worker is alive: ginkgo-data worker start"]
    assert "b: of group x, not counted here" in shown(status)
    assert "c: of group x, not counted here" in shown(status)


@pytest.mark.parametrize("group", ["g", None])
def test_a_worker_of_the_group_or_one_that_does_not_say_counts(group):
    status = fleet(beat("a", group, WorkerStatus.RUNNING))
    assert status.wrong == []
    assert "of group" not in shown(status)
    assert fleet(beat("a", group, WorkerStatus.RUNNING, degraded="why")).wrong == ["worker a is degraded: why"]
