"""The memory of a collection is bounded by its inserts, not by what it collects."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ginkgo_data.adapters.clickhouse.client import open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from support.measured_collector import measured

BARS = 240_000
FLUSH_ROWS = 20_000
SLACK = 40.0
"""MiB by which two runs may differ: what allocators keep differs by half of it, and the bars that one has more are
65 MiB."""


@pytest.fixture
def database(clickhouse_server) -> Iterator[Callable[[], str]]:
    made: list[str] = []

    def one_more() -> str:
        made.append(clickhouse_server.database(f"memory_{uuid.uuid4().hex[:10]}"))
        return made[-1]

    yield one_more
    for url in made:
        client = open_client(ClickHouseConfig(url=url))
        client.command(f"DROP DATABASE `{url.rpartition('/')[2]}`")
        client.close()


@pytest.mark.parametrize(("chosen", "pool"), [("", "system"), ("mimalloc", "mimalloc"), ("system", "system")])
def test_a_worker_takes_the_memory_of_its_columns_from_the_c_library_unless_told_otherwise(
    chosen: str, pool: str
) -> None:
    program = "import pyarrow as pa; from ginkgo_data.entrypoints.process_memory import keep_little; keep_little(); "
    program += "print(pa.array([1]).nbytes, pa.default_memory_pool().backend_name)"
    env = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": chosen}
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=env).stdout
    assert said.split() == ["8", pool]


def test_arrow_does_not_load_pandas_in_a_worker_and_who_wants_it_has_it_all_the_same() -> None:
    program = (
        "import sys, pyarrow as pa; from ginkgo_data.entrypoints.process_memory import keep_little; keep_little(); "
    )
    program += "pa.array(['a']); pa.schema([('a', pa.string())]).empty_table(); print('pandas' in sys.modules); "
    program += "import pandas; print(pandas.Series([1]).sum())"
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["False", "1"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel does not tell the memory of a process")
def test_four_times_as_many_bars_take_no_more_memory(database: Callable[[], str]) -> None:
    few = measured(database(), BARS, flush_rows=FLUSH_ROWS)
    many = measured(database(), 4 * BARS, flush_rows=FLUSH_ROWS)
    print(few, many)
    assert many.bars > 3.5 * few.bars
    assert many.inserts > 3.5 * few.inserts
    assert many.peak < few.peak + SLACK
