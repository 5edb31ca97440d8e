"""Where factors and ticks come from: named, left out, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.entrypoints.container import Container
from ginkgo_data.entrypoints.data_sections import SourceSettings
from ginkgo_data.entrypoints.loading import load_settings


def sources(tmp_path: Path, text: str) -> SourceSettings:
    file = tmp_path / "w.yml"
    file.write_text(text.replace("HERE", str(tmp_path)))
    return load_settings(file, {}).settings.sources


@pytest.mark.parametrize(
    ("text", "adjustments", "ticks"),
    [
        ("sources: {}\n", "tushare", "none"),
        ("sources: {bars: [files], files: {path: HERE}}\n", "none", "none"),
        ("sources: {bars: [files], adjustments: [tushare], files: {path: HERE}}\n", "tushare", "none"),
        ("sources: {adjustments: []}\n", "none", "none"),
        ("sources: {ticks: [files], files: {path: HERE}}\n", "tushare", "files"),
    ],
)
def test_factors_follow_the_bars_and_ticks_have_no_source_unless_named(tmp_path, text, adjustments, ticks):
    found = sources(tmp_path, text)
    assert (found.adjustment_source, found.tick_source) == (adjustments, ticks)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: {ticks: [files]}\n", "ticks names the source files, but sources.files.path is not set"),
        ("sources: {ticks: [tdx]}\n", "'tdx'"),
        ("sources: {adjustments: [files], files: {path: HERE}}\n", "'files'"),
        ("sources: {adjustments: [tushare, tushare]}\n", "at most one source"),
    ],
)
def test_what_cannot_be_a_source_is_refused_with_what_is_allowed(tmp_path, text, said):
    with pytest.raises(ConfigurationError) as refused:
        sources(tmp_path, text)
    assert said in str(refused.value)


def test_a_source_is_opened_with_the_first_command_that_needs_it(tmp_path):
    overrides = {
        "kafka.bootstrap_servers": "memory://",
        "redis.url": "memory://",
        "clickhouse.url": f"chdb://{tmp_path}/db",
    }
    container = Container(settings=load_settings(None, {}, overrides, search=False).settings)
    with pytest.raises(ConfigurationError, match=r"sources\.tushare\.base_url"):
        container.adjustment_collector()
    assert container.tick_collector() is None
    container.shutdown_resources()
