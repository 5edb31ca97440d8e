"""Commands through the stream: a real worker against a bare consume loop, and against one call a command.

One run on real servers (Kafka, Redis; ClickHouse's engine behind an HTTP front of the tests) and one vendor double
that takes 200 ms for a reply, all on this machine. 5,000 one-code daily snapshots of one session are sent to a member
that is already assigned; time runs from the first send until all offsets are committed.

`worker`: one ``ginkgo-data worker start``. `bare loop`: a confluent-kafka consumer that reads and commits, and does
nothing else. `one by one`: a worker written the way upstream's is: poll one, ask for its code, insert its row, commit;
measured on fewer commands and reckoned up to all of them. Then the same work for four workers and for one, one call a
code, where the call budget does not bind.
Usage: python benchmarks/commands.py [--commands 5000] [--one-by-one 200] [--shared 400] [--quick]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import clickhouse_connect
import httpx
from confluent_kafka import Consumer, TopicPartition

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.servers import clickhouse_running, kafka_running, redis_running
from support.vendor import MarketSpec, Vendor
from support.worker_fleet import Fleet, Servers, snapshot

LATENCY = 0.2
SESSION = "2020-06-01"
_BAR = """\
CREATE TABLE bar (code String, open Decimal(16,2), high Decimal(16,2), low Decimal(16,2), close Decimal(16,2),
 volume Int32, amount Decimal(16,2), frequency Int8, uuid String, meta String, desc String, timestamp DateTime,
 source Int8) ENGINE = MergeTree() ORDER BY (code, timestamp)"""
"""Upstream's table."""


@dataclass(frozen=True)
class Figures:
    """What a run took."""

    commands: int
    seconds: float
    calls: int
    inserts: int

    @property
    def rate(self) -> float:
        """Commands per second."""
        return self.commands / self.seconds


class Bench:
    """The servers of one run."""

    def __init__(self, directory: Path, servers: Servers) -> None:
        self._directory = directory
        self._servers = servers

    @contextmanager
    def fleet(self, spec: MarketSpec, settings: dict | None = None) -> Iterator[Fleet]:
        """Open a fleet without workers, and its vendor."""
        folder = Path(tempfile.mkdtemp(dir=self._directory))
        with (
            Vendor(folder, spec, latency=LATENCY) as vendor,
            Fleet(folder, self._servers, vendor, settings, partitions=12) as fleet,
        ):
            yield fleet

    def worker(self, commands: int) -> Figures:
        """Let one worker do all commands."""
        with self.fleet(MarketSpec(commands, SESSION, 1)) as fleet:
            fleet.start(wait=True)
            began = time.perf_counter()
            fleet.send(snapshots(fleet))
            fleet.drain()
            seconds = time.perf_counter() - began
            assert fleet.differences() == []
            return Figures(commands, seconds, len(fleet.vendor.calls("daily")), fleet.inserts())

    def bare_loop(self, commands: int) -> Figures:
        """Read the same records and commit them."""
        with self.fleet(MarketSpec(commands, SESSION, 1)) as fleet, member(fleet) as consumer:
            began = time.perf_counter()
            fleet.send(snapshots(fleet))
            got = 0
            while got < commands:
                messages = consumer.consume(500, 0.05)
                got += len(messages)
                if messages:
                    consumer.commit(asynchronous=False)
            return Figures(commands, time.perf_counter() - began, 0, 0)

    def one_by_one(self, commands: int) -> Figures:
        """Do each command as upstream does: one call, one insert, one commit."""
        with self.fleet(MarketSpec(commands, SESSION, 1)) as fleet, ExitStack() as stack:
            parts = httpx.URL(str(fleet.settings["clickhouse"]["url"]))
            store = clickhouse_connect.get_client(
                host=parts.host, port=parts.port, database=fleet.database, settings={"async_insert": 0}
            )
            stack.callback(store.close)
            store.command(_BAR)
            http = stack.enter_context(httpx.Client(timeout=30, trust_env=False))
            consumer = stack.enter_context(member(fleet))
            began = time.perf_counter()
            fleet.send(snapshots(fleet))
            inserts = 0
            while inserts < commands:
                if (message := consumer.poll(1.0)) is None:
                    continue
                code = json.loads(message.value())["params"]["code"]
                store.insert("bar", fetched(http, fleet.vendor.url, code))
                inserts += 1
                consumer.commit(message, asynchronous=False)
            seconds = time.perf_counter() - began
            assert int(store.query("SELECT count() FROM bar").result_rows[0][0]) == commands
            return Figures(commands, seconds, len(fleet.vendor.calls("daily")), inserts)

    def shared(self, codes: int, workers: int) -> Figures:
        """Let `workers` workers make one call per code of a year, two at a time each."""
        tushare = {"by_session": False, "codes_per_call": 1, "calls_per_minute": 1_000_000}
        settings = {"worker": {"concurrency": 2}, "sources": {"tushare": tushare}}
        with self.fleet(MarketSpec(codes, SESSION, 250), settings) as fleet:
            fleet.start(workers, wait=True)
            began = time.perf_counter()
            fleet.send(snapshots(fleet))
            fleet.drain(600)
            seconds = time.perf_counter() - began
            assert fleet.differences() == []
            return Figures(codes, seconds, len(fleet.vendor.calls("daily")), fleet.inserts())


def snapshots(fleet: Fleet) -> list[bytes]:
    """Return one snapshot per code of the whole range."""
    spec = fleet.vendor.spec
    return [snapshot(code, start_date=spec.days[0], end_date=spec.days[-1]) for code in spec.names]


@contextmanager
def member(fleet: Fleet) -> Iterator[Consumer]:
    """Open a consumer of the fleet's command topic, and wait until all partitions are its own."""
    assigned: list[TopicPartition] = []
    consumer = Consumer(
        {
            "bootstrap.servers": fleet.servers.kafka.bootstrap,
            "group.id": fleet.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe(fleet.topics, on_assign=lambda _, partitions: assigned.extend(partitions))
    while not assigned:
        consumer.poll(0.1)
    try:
        yield consumer
    finally:
        consumer.close()


def fetched(http: httpx.Client, url: str, code: str) -> list[list[object]]:
    """Return the vendor's rows of one code as rows of upstream's table."""
    day = SESSION.replace("-", "")
    fields = "trade_date,open,high,low,close,vol,amount"
    params = {"ts_code": code, "start_date": day, "end_date": day}
    question = {"api_name": "daily", "token": "double", "params": params, "fields": fields}
    items = http.post(url, json=question).json()["data"]["items"]
    return [
        [code, *item[1:5], int(item[5]), item[6], 1, f"{code}{item[0]}", "{}", "", int(time.time()), 7]
        for item in items
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=5000)
    parser.add_argument("--one-by-one", type=int, default=200)
    parser.add_argument("--shared", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="smaller sizes: a look, not a measurement")
    wanted = parser.parse_args()
    commands, singles, shared = wanted.commands, wanted.one_by_one, wanted.shared
    if wanted.quick:
        commands, singles, shared = min(commands, 1000), min(singles, 30), min(shared, 80)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        places = {name: Path(folder) / name for name in ("kafka", "redis", "clickhouse")}
        for place in places.values():
            place.mkdir()
        kafka = stack.enter_context(kafka_running(places["kafka"]))
        redis = stack.enter_context(redis_running(places["redis"]))
        clickhouse = stack.enter_context(clickhouse_running(places["clickhouse"]))
        bench = Bench(Path(folder), Servers(kafka, redis.url, clickhouse))
        worker, bare = bench.worker(commands), bench.bare_loop(commands)
        one_by_one = bench.one_by_one(singles)
        one, four = bench.shared(shared, 1), bench.shared(shared, 4)
    show("worker", worker)
    show("bare loop", bare)
    show("one by one", one_by_one)
    scale = commands / singles
    print(f"worker / bare loop       {worker.rate / bare.rate:.2f} of its commands per second")
    print(f"against one by one       reckoned up to {commands:,} commands")
    print(f"  fewer calls            {one_by_one.calls * scale / worker.calls:,.0f}x   aim 20x")
    print(f"  fewer inserts          {one_by_one.inserts * scale / worker.inserts:,.0f}x")
    print(f"  less wall time         {one_by_one.seconds * scale / worker.seconds:,.1f}x   aim 10x")
    show("1 worker, shared", one)
    show("4 workers, shared", four)
    print(f"four / one               {one.seconds / four.seconds:.2f}x   aim 3.2x")


def show(name: str, figures: Figures) -> None:
    print(
        f"{name:20}     {figures.commands:,} commands in {figures.seconds:.1f} s: {figures.rate:,.0f}/s, "
        f"{figures.calls:,} calls, {figures.inserts:,} inserts"
    )


if __name__ == "__main__":
    main()
