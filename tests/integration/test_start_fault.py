"""A worker with a faulty configuration works, and its heartbeat and one alert say what is wrong until it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import yaml
from dependency_injector import providers

from ginkgo_data import DataWorker
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.quality import AlertKind, Severity
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.loading import load_settings

BARS = """ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount
600519.SH,20200102,10,10,10,10,9,1,1,100,100
"""


@pytest.fixture
def file(store_config, tmp_path, monkeypatch):
    """A configuration without servers, of which one key is wrong, in the folder that the worker starts in."""
    (tmp_path / "bars.csv").write_text(BARS)
    values = {
        "kafka": {"bootstrap_servers": "memory://"},
        "redis": {"url": "memory://"},
        "clickhouse": {"url": store_config.url},
        "worker": {"poll_timeout": 0.05, "concurrency": 0},
        "heartbeat": {"interval": 0.1},
        "sources": {"bars": ["files"], "files": {"path": str(tmp_path / "bars.csv")}},
    }
    path = tmp_path / "data_worker.yml"
    path.write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GINKGO_DIR", str(tmp_path / "none"))
    return path


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20.0
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def test_the_heartbeat_and_one_alert_carry_what_is_wrong(file):
    loaded = load_settings(file, {}, search=False, tolerant=True)
    container = Container(settings=loaded.settings)
    container.start_fault.override(providers.Object(loaded.fault))
    worker = container.worker()
    worker.start()
    try:
        until(lambda: worker.is_running and container.heartbeats().alive())
        until(lambda: (beats := container.heartbeats().alive()) and beats[0].degraded)
        (beat,) = container.heartbeats().alive()
        assert "worker.concurrency: found 0; allowed: a whole number from 1 to 64" in beat.degraded
        assert beat.progress["config_error"] == loaded.fault
        (alert,) = [alert for alert in container.notifications().alerts if alert.kind is AlertKind.CONFIG_ERROR]
        assert (alert.severity, str(file) in alert.text) == (Severity.ERROR, True)
        assert alert.data["node_id"] == beat.node_id
    finally:
        assert worker.stop(20.0)
        container.shutdown_resources()


def test_a_sound_configuration_is_not_spoken_of(file):
    file.write_text(file.read_text().replace("concurrency: 0", "concurrency: 2"))
    loaded = load_settings(file, {}, search=False, tolerant=True)
    container = Container(settings=loaded.settings)
    container.start_fault.override(providers.Object(loaded.fault))
    worker = container.worker()
    worker.start()
    try:
        until(lambda: worker.is_running)
        beat = worker.observe()
        assert (beat.degraded, beat.progress["config_error"]) == (None, None)
        assert list(container.notifications().alerts) == []
    finally:
        assert worker.stop(20.0)
        container.shutdown_resources()


def test_a_hosts_worker_tolerates_the_file_and_not_the_hosts_own_words(file):
    worker = DataWorker(node_id="n1")
    assert worker.container.settings().worker.concurrency == 8
    assert "worker.concurrency: found 0" in worker.observe().progress["config_error"]
    with pytest.raises(ConfigurationError, match="auto_offset_reset"):
        DataWorker(auto_offset_reset="middle")
