"""A collection is killed (SIGKILL) at any moment, inside inserts and between them: run again, it ends exact.

The real collector of a worker, in a process of its own, writes over HTTP into ClickHouse's engine, in both layouts;
what it had under way when it died is told by a proxy before the store. Between two runs nothing is cleaned up.
"""

from __future__ import annotations

import itertools
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import pytest

from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.ginkgo_bar_repository import GinkgoBarRepository
from ginkgo_data.adapters.clickhouse.ginkgo_schema import ensure_bar_table
from ginkgo_data.adapters.clickhouse.ginkgo_sweep import GinkgoSweep
from ginkgo_data.adapters.clickhouse.reference_repository import ClickHouseReferenceRepository
from ginkgo_data.adapters.clickhouse.revision_repository import ClickHouseRevisionRepository
from ginkgo_data.adapters.clickhouse.schema import apply_schema
from ginkgo_data.adapters.memory.clock import ManualClock
from ginkgo_data.domain.model.bars import BAR_SCHEMA
from ginkgo_data.domain.model.series import Series
from support.killed_collector import SECURITIES, SPANS, Collections, Run, vendor_bars
from support.proxy import TcpProxy
from support.stack import NOW
from support.statements import Statements

POINTS = int(os.environ.get("GINKGO_TEST_REPEATS", "3"))
MANY = 20
"""Points of which at least one must have fallen inside an insert."""
FLUSH_ROWS = 50 if POINTS >= MANY else 160
"""Rows of an insert: three inserts of bars for a collection, or six for many points."""

CHANGES = ("INSERT", "DELETE")
LIVES = ((2, 1), (0, 2), (1, 0), (3, 2))
"""How often a database sees its collection killed: before the vendor's corrections, and after."""


@pytest.fixture(scope="module")
def collections() -> Iterator[Collections]:
    program = Collections()
    yield program
    program.close()


@pytest.fixture
def statements() -> Statements:
    return Statements()


@pytest.fixture
def proxy(clickhouse_server, statements: Statements) -> Iterator[TcpProxy]:
    parts = urlsplit(clickhouse_server.url)
    with TcpProxy(parts.port or 8123, parts.hostname or "", heard=statements) as made:
        yield made


@pytest.fixture
def databases(
    clickhouse_server, proxy: TcpProxy, statements: Statements, collections: Collections
) -> Iterator[Callable[[str], Database]]:
    made: list[Database] = []

    def one_more(layout: str) -> Database:
        straight = clickhouse_server.database(f"killed_{uuid.uuid4().hex[:10]}")
        parts = urlsplit(straight)
        through = urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{proxy.address}"))
        made.append(Database(layout, through, straight, statements, collections))
        return made[-1]

    yield one_more
    for database in made:
        database.close()


@dataclass
class Database:
    """A database that lives through a vendor's corrections and any number of kills."""

    layout: str
    through: str
    straight: str
    statements: Statements
    collections: Collections
    strikes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = ClickHouseClient(ClickHouseConfig(url=self.straight), self._prepare)
        native = self.layout == "native"
        self.bars = ClickHouseBarRepository(self.client) if native else GinkgoBarRepository(self.client)
        self.client.connect()

    def _prepare(self, client: ClickHouseClient) -> None:
        apply_schema(client)
        ClickHouseReferenceRepository(client).write_securities(SECURITIES)
        if self.layout == "ginkgo":
            ensure_bar_table(client)

    def unkilled(self, corrected: bool) -> float:
        """Collect without being killed; return how long that takes."""
        return self.collections.run(self._run(corrected))

    def live(self, corrected: bool, kills: int, seconds: float, chance: random.Random) -> None:
        """Collect, killed `kills` times within the `seconds` that it takes, then to the end.

        The moments are random; every second kill then waits for the next statement that changes something, so that
        many fall inside one, at any depth.
        """
        run, left = self._run(corrected), seconds
        for _ in range(kills):
            after, aimed, found = chance.uniform(0.0, left), len(self.strikes) % 2 == 1, []

            def wait(after: float = after, aimed: bool = aimed) -> None:
                time.sleep(after)
                if aimed:
                    self.statements.await_one(CHANGES, seconds)
                    time.sleep(chance.uniform(0.0, 0.006))

            def watch(found: list[str] = found) -> None:
                found += self.statements.under_way()

            if not self.collections.kill(run, wait, watch):
                break
            self.statements.all_gone()
            self.strikes.append(", ".join(found) or "between two statements")
            stage = "corrections" if corrected else "first collection"
            print(f"{self.layout}, {stage}, killed after {after:.2f} s of {left:.2f} s: {self.strikes[-1]}")
            left = max(left - after, seconds / 5)
        self.collections.run(replace(run, look_again=True))

    def must_be_exact(self, corrected: bool) -> None:
        """Compare what readers see with the vendor, and what was kept of old values with what has changed."""
        if self.layout == "ginkgo":
            GinkgoSweep(self.client, ManualClock(NOW)).sweep()
        rows = 0
        for series, span in SPANS.items():
            expected = self._kept(series, corrected)
            found = self.bars.read(None, series, *span).table
            for name in BAR_SCHEMA.names[:-2]:
                assert found[name].to_pylist() == expected[name].to_pylist(), (series, name)
            rows += expected.num_rows
            assert sum(map(len, self.bars.held(None, series, *span).values())) == len(_cells(expected))
            assert Counter(self._revisions(series)) == Counter(self._changes(series) if corrected else [])
        table = "bars_final" if self.layout == "native" else "bar"
        counted = self.client.query(f"SELECT count() AS n, uniqExact(code, frequency, timestamp) AS k FROM {table}")
        assert counted.to_pylist() == [{"n": rows, "k": rows}]
        if not corrected:
            assert self.client.query("SELECT count() AS n FROM revisions")["n"].to_pylist() == [0]

    def _run(self, corrected: bool) -> Run:
        return Run(self.through, self.layout, corrected, datetime.now(UTC).isoformat(), FLUSH_ROWS)

    def _kept(self, series: Series, corrected: bool) -> pa.Table:
        return self.bars.kept(vendor_bars(series, corrected).sorted()).table

    def _revisions(self, series: Series) -> list[tuple[object, ...]]:
        found = ClickHouseRevisionRepository(self.client).revisions(None, series, *SPANS[series]).table
        return [
            (row["code"], row["timestamp"], row["old_close"], row["new_close"], row["withdrawn"])
            for row in found.to_pylist()
        ]

    def _changes(self, series: Series) -> list[tuple[object, ...]]:
        """Return the revisions that the vendor's corrections make."""
        before, after = _closes(self._kept(series, False)), _closes(self._kept(series, True))
        return [
            (*key, close, after.get(key), key not in after) for key, close in before.items() if after.get(key) != close
        ]

    def close(self) -> None:
        self.client.command(f"DROP DATABASE `{urlsplit(self.straight).path[1:]}`")
        self.client.close()


def _closes(table: pa.Table) -> dict[tuple[object, object], float]:
    keys = zip(table["code"].to_pylist(), table["timestamp"].to_pylist(), strict=True)
    return dict(zip(keys, table["close"].to_pylist(), strict=True))


def _cells(table: pa.Table) -> set[tuple[object, object]]:
    return set(zip(table["code"].to_pylist(), table["session"].to_pylist(), strict=True))


@pytest.mark.parametrize("layout", ["native", "ginkgo"])
def test_a_collection_killed_anywhere_is_run_again_and_ends_exact(
    layout: str, databases: Callable[[str], Database]
) -> None:
    chance = random.Random()
    strikes: list[str] = []
    seconds = [first.unkilled(corrected) for first in [databases(layout)] for corrected in (False, True)]
    for kills in itertools.islice(itertools.cycle(LIVES), 2 * POINTS):
        if len(strikes) >= POINTS:
            break
        database = databases(layout)
        for corrected in (False, True):
            database.live(corrected, kills[corrected], seconds[corrected], chance)
            database.must_be_exact(corrected)
        strikes += database.strikes
    inside = [strike for strike in strikes if "INSERT" in strike]
    print(f"{layout}: {len(strikes)} kills, {len(inside)} of them inside an insert: {Counter(strikes)}")
    assert len(strikes) >= POINTS
    assert inside or POINTS < MANY
