"""Metrics in memory and on Prometheus, held to the same contract; and Prometheus' own page."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.metrics import MetricsContract
from ginkgo_data.adapters.memory.metrics import InMemoryMetrics
from ginkgo_data.adapters.prometheus.metrics import PrometheusMetrics
from ginkgo_data.domain.model.health import Away, Server, WorkerHealth
from ginkgo_data.domain.model.measures import COMMANDS
from support.health import NOW, WELL

SIGNS = replace(WELL, away={Server.STORE: Away("gone")})


class TestInMemoryMetrics(MetricsContract):
    @pytest.fixture
    def metrics(self):
        return InMemoryMetrics()

    def counted(self, metrics, what, **labels):
        return metrics.counted(what, **labels)

    def values_of(self, metrics, what, **labels):
        values = metrics.values(what, **labels)
        return len(values), sum(values)


class TestPrometheusMetrics(MetricsContract):
    @pytest.fixture
    def metrics(self):
        return PrometheusMetrics()

    def counted(self, metrics, what, **labels):
        return metrics.registry.get_sample_value(f"ginkgo_data_{what.name}_total", labels) or 0.0

    def values_of(self, metrics, what, **labels):
        name = f"ginkgo_data_{what.name}"
        count = metrics.registry.get_sample_value(f"{name}_count", labels) or 0
        return int(count), metrics.registry.get_sample_value(f"{name}_sum", labels) or 0.0


def samples(metrics: PrometheusMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    body, _ = metrics.page()
    families = text_string_to_metric_families(body.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_a_workers_state_is_read_at_every_look():
    metrics, rounds = PrometheusMetrics(), iter([WorkerHealth(SIGNS), WorkerHealth(SIGNS, sick=("store away",))])
    metrics.show(lambda: next(rounds))
    first, second = samples(metrics), samples(metrics)
    assert first["ginkgo_data_worker_healthy", ()] == 1.0
    assert second["ginkgo_data_worker_healthy", ()] == 0.0
    assert second["ginkgo_data_worker_alive", ()] == 1.0
    assert first["ginkgo_data_worker_state", (("state", "running"),)] == 1.0
    assert first["ginkgo_data_worker_state", (("state", "error"),)] == 0.0
    assert first["ginkgo_data_server_answers", (("server", "store"),)] == 0.0
    assert first["ginkgo_data_server_answers", (("server", "redis"),)] == 1.0
    assert first["ginkgo_data_rounds_total", ()] == 7.0
    assert (first["ginkgo_data_bars_written_total", ()], first["ginkgo_data_bars_rejected_total", ()]) == (12.0, 3.0)
    assert first["ginkgo_data_lag", (("partition", "1"), ("topic", "t"))] == 9.0
    assert first["ginkgo_data_last_commit_timestamp_seconds", ()] == NOW.timestamp()
    assert first["ginkgo_data_vendor_budget_left", (("quota", "tushare:daily"),)] == 11.0
    assert first["ginkgo_data_worker_info", (("group_id", "g"), ("node_id", "n1"))] == 1.0
    assert ("ginkgo_data_last_poll_timestamp_seconds", ()) not in first


def test_two_workers_of_one_process_do_not_add_up_and_the_last_worker_is_shown():
    one, other = PrometheusMetrics(), PrometheusMetrics()
    one.count(COMMANDS, command="tick", outcome="done")
    key = "ginkgo_data_commands_total", (("command", "tick"), ("outcome", "done"))
    assert samples(one)[key] == 1.0
    assert key not in samples(other)
    one.show(lambda: WorkerHealth(SIGNS))
    one.show(lambda: WorkerHealth(SIGNS, dead=("it has ended",)))
    assert samples(one)["ginkgo_data_worker_alive", ()] == 0.0


def test_prometheus_gets_the_form_it_asks_for():
    metrics = PrometheusMetrics()
    assert metrics.page()[1].startswith("text/plain")
    body, content_type = metrics.page("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
