"""What every keeper of heartbeats promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from ginkgo_data.domain.model.worker import Heartbeat, WorkerStats, WorkerStatus
from ginkgo_data.ports.heartbeats import Heartbeats

SENT = datetime(2026, 8, 15, 21, 10, 0, 123456, ZoneInfo("Asia/Shanghai"))
BEAT = Heartbeat(
    node_id="data_worker_a",
    status=WorkerStatus.RUNNING,
    sent_at=SENT,
    host="host-1",
    pid=4711,
    stats=WorkerStats(
        messages_processed=12,
        messages_failed=1,
        bars_collected=500,
        bars_written=480,
        bars_rejected=20,
        calls=3,
        inserts=1,
        rounds=2,
        dead_letters=1,
        parked=4,
        last_message_time=SENT,
        last_error="行情: over its quota",
        started_at=SENT,
    ),
    uptime_seconds=61.5,
    degraded="waiting for the vendor's quota",
    degraded_since=SENT,
    progress={"round": 7, "lag": {"ginkgo.data.commands": 3}, "last": "2026-08-15"},
)


class HeartbeatsContract:
    """Subclasses provide the fixtures `heartbeats`, `neighbour` (the same, seen by another worker), `pass_time`."""

    ttl = 30.0
    """A time to live; a real server's subclass has less patience."""

    def test_a_heartbeat_is_seen_by_all_as_it_was_written(self, heartbeats: Heartbeats, neighbour: Heartbeats) -> None:
        heartbeats.beat(BEAT, self.ttl)
        assert list(neighbour.alive()) == [BEAT]

    def test_every_state_can_be_told(self, heartbeats: Heartbeats) -> None:
        for status in WorkerStatus:
            plain = Heartbeat("a", status, SENT, "host-1", 1, WorkerStats())
            heartbeats.beat(plain, self.ttl)
            assert list(heartbeats.alive()) == [plain]

    def test_a_node_has_one_heartbeat_the_last(self, heartbeats: Heartbeats) -> None:
        heartbeats.beat(BEAT, self.ttl)
        later = replace(BEAT, status=WorkerStatus.STOPPING, degraded=None, degraded_since=None)
        heartbeats.beat(later, self.ttl)
        assert list(heartbeats.alive()) == [later]

    def test_nodes_are_listed_by_name(self, heartbeats: Heartbeats) -> None:
        for node in ("c", "a", "b"):
            heartbeats.beat(replace(BEAT, node_id=node), self.ttl)
        assert [beat.node_id for beat in heartbeats.alive()] == ["a", "b", "c"]

    def test_nobody_is_alive_at_first(self, heartbeats: Heartbeats) -> None:
        assert list(heartbeats.alive()) == []

    def test_a_heartbeat_is_gone_after_its_time_to_live(
        self, heartbeats: Heartbeats, pass_time: Callable[[float], None]
    ) -> None:
        heartbeats.beat(BEAT, self.ttl)
        heartbeats.beat(replace(BEAT, node_id="b"), 10 * self.ttl)
        pass_time(1.1 * self.ttl)
        assert [beat.node_id for beat in heartbeats.alive()] == ["b"]

    def test_a_further_beat_renews_the_time_to_live(
        self, heartbeats: Heartbeats, pass_time: Callable[[float], None]
    ) -> None:
        for _ in range(3):
            heartbeats.beat(BEAT, self.ttl)
            pass_time(0.6 * self.ttl)
        assert list(heartbeats.alive()) == [BEAT]

    def test_a_clean_stop_leaves_no_ghost(self, heartbeats: Heartbeats) -> None:
        heartbeats.beat(BEAT, self.ttl)
        heartbeats.beat(replace(BEAT, node_id="b"), self.ttl)
        heartbeats.clear(BEAT.node_id)
        heartbeats.clear(BEAT.node_id)
        assert [beat.node_id for beat in heartbeats.alive()] == ["b"]
