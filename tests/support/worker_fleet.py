"""A fleet of workers as processes, as containers run them: one group, topics, database and keys of its own.

>>> with Fleet(directory, Servers(kafka_server, redis_server.url, clickhouse_server), vendor) as fleet:
...     fleet.send([snapshot(code) for code in vendor.spec.names])
...     fleet.start(2); fleet.workers[0].kill(); fleet.drain()
...     assert fleet.differences() == []

A fleet starts on an empty Redis database that has been watched for long enough, and on a store whose universe and
calendar are known, as after `stockinfo` and `trade_day`. Every process ends with the test.
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
import redis
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from ginkgo_data.adapters.clickhouse.client import open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.reference_repository import ClickHouseReferenceRepository
from ginkgo_data.adapters.clickhouse.schema import apply_schema
from ginkgo_data.adapters.redis.call_budget import KEY_PREFIX, RedisCallBudget
from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.adapters.redis.config import RedisConfig
from ginkgo_data.adapters.system.clock import SystemClock
from ginkgo_data.adapters.tushare.parse import securities_of, session_days_of
from support.clickhouse_server import ClickHouseAddress
from support.kafka_broker import read_all
from support.kafka_server import KafkaTopics
from support.planted import PLANTED, assert_silent
from support.processes import ServerProcess
from support.vendor import MarketSpec, Vendor

PATIENCE = 120.0
Row = tuple[object, ...]
Settings = Mapping[str, Mapping[str, object]]

_REDIS_DATABASES = itertools.cycle(range(1, 16))
_IMPATIENT: Settings = {
    "worker": {"coalesce_wait": 0.2, "poll_timeout": 0.3, "max_poll_records": 500},
    "kafka": {"session_timeout": 3.0, "metadata_interval": 2.0, "delivery_timeout": 10.0, "close_timeout": 3.0},
    "heartbeat": {"interval": 0.5, "ttl": 3.0},
    "health": {"port": 0},
}
"""So that a test need not be patient."""


@dataclass(frozen=True)
class Servers:
    """What a fleet lives on. `through` are other addresses of the same servers, by which the workers reach them."""

    kafka: KafkaTopics
    redis_url: str
    clickhouse: ClickHouseAddress
    through: Mapping[str, str] | None = None


class Worker(ServerProcess):
    """One ``ginkgo-data worker start``; it may be started again, under the same name."""

    def __init__(self, node_id: str, config: Path, log: Path, options: Sequence[str] = ()) -> None:
        self.node_id = node_id
        words = [sys.executable, "-m", "ginkgo_data.entrypoints.cli", "worker", "start"]
        command = [*words, "--config", str(config), "--node-id", node_id, *options]
        super().__init__(f"worker {node_id}", command, log, lambda: True, env={"NO_PROXY": "*"})

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM), as an orchestrator does; returns at once."""
        self._signal(signal.SIGTERM)

    def hang_up(self) -> None:
        """Ask it to read its configuration again (SIGHUP)."""
        self._signal(signal.SIGHUP)

    def ended(self, patience: float = 30.0) -> int:
        """Wait for its end and return its exit code; 128 + signal where a signal ended it."""
        return self._wait(patience)

    def said(self) -> str:
        """Return its log so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""


class Fleet:
    """Workers of one group, what is sent to them, and what comes of it."""

    def __init__(
        self,
        directory: Path,
        servers: Servers,
        vendor: Vendor,
        settings: Settings | None = None,
        *,
        partitions: int = 3,
        largest_record: int = 1_048_588,
    ) -> None:
        name = uuid.uuid4().hex[:10]
        self.servers = servers
        self.vendor = vendor
        self.group = f"group.{name}"
        self.topics = [f"commands.{name}"]
        self.work_topic = f"work.{name}"
        self.dead_letter_topic = f"dlq.{name}"
        self.notification_topic = f"notifications.{name}"
        self.database = f"fleet_{name}"
        self.workers: list[Worker] = []
        self._directory = directory
        self._numbers = itertools.count(1)
        self._round_robin = itertools.count()
        number = next(_REDIS_DATABASES)
        self._redis_url = _database_of(servers.redis_url, number)
        self._prepare_kafka(partitions, largest_record)
        self._prepare_redis()
        self._prepare_store()
        self.config = directory / f"{self.group}.yml"
        self.settings = _merged(_merged(_IMPATIENT, self._addresses(number)), settings or {})

    # -- the workers ----------------------------------------------------------------------------

    def start(self, count: int = 1, *options: str, wait: bool = False) -> list[Worker]:
        """Start `count` more workers; with `wait`, return when all of them beat and every partition is theirs."""
        self.config.write_text(json.dumps(self.settings, indent=1), "utf-8")  # JSON is YAML
        started = []
        for _ in range(count):
            node_id = f"node{next(self._numbers)}"
            worker = Worker(node_id, self.config, self._directory / f"{self.group}.{node_id}.log", options)
            self.workers.append(worker)
            worker.start()
            started.append(worker)
        if wait:
            self.await_running()
        return started

    def keep_alive(self) -> None:
        """Start again, under their names, the workers that have ended: what `restart: always` does."""
        for worker in self.workers:
            worker.start()

    def await_running(self, patience: float = PATIENCE) -> None:
        """Wait until every live worker beats as RUNNING and the group has a worker for every partition."""
        live = {worker.node_id for worker in self.workers if worker.running}

        def all_there() -> bool:
            beats = self.heartbeats()
            running = {name for name, beat in beats.items() if beat["status"] == "running"}
            return live <= running and self.assigned() >= len(self.places())

        self.until(all_there, "the workers are not all running with all partitions assigned", patience)

    def assigned(self) -> int:
        """Return how many partitions the live workers say they own."""
        return sum(int(beat["progress"].get("partitions", 0)) for beat in self.heartbeats().values())

    def heartbeats(self) -> dict[str, dict]:
        """Return the heartbeats that Redis holds, by node."""
        with redis.Redis.from_url(self._redis_url, socket_timeout=5.0) as client:
            names = list(client.scan_iter("heartbeat:data_worker:*"))
            values = [value for value in client.mget(names) if value] if names else []
        found = [json.loads(value) for value in values]
        return {beat["node_id"]: beat for beat in found}

    # -- what is sent, and where the group stands -----------------------------------------------

    def send(self, values: Iterable[bytes | None], headers: Mapping[str, bytes] | None = None) -> None:
        """Send records to the partitions of the command topic in turn, acknowledged."""
        (name,) = self.topics
        count = self.servers.kafka.partitions(name)
        failed: list[object] = []
        options = {"bootstrap.servers": self.servers.kafka.bootstrap, "acks": "all", "message.max.bytes": 16 << 20}
        producer = Producer(options)
        for value in values:
            producer.produce(
                name,
                value,
                partition=next(self._round_robin) % count,
                headers=list((headers or {}).items()),
                on_delivery=lambda error, _: failed.append(error) if error else None,
            )
            producer.poll(0)
        left = producer.flush(30.0)
        assert not failed, failed
        assert not left, left

    def places(self) -> list[TopicPartition]:
        """Return every partition that the group reads, command topics first."""
        known = self._inspector.list_topics(timeout=15).topics
        names = [name for name in (*self.topics, self.work_topic) if name in known]
        return [TopicPartition(name, number) for name in names for number in known[name].partitions]

    def lag(self) -> dict[tuple[str, int], int]:
        """Return per partition the records that the group has not committed, where there are some."""
        return {place: end - at for place, (at, end) in self._standing().items() if end > at}

    def drain(self, patience: float = PATIENCE) -> None:
        """Wait until the group has committed everything, parked work included; fails with what is left."""
        before: dict[tuple[str, int], tuple[int, int]] = {}
        deadline = time.monotonic() + patience
        while True:
            now = self._standing()
            # A record parked while we look is on its way from one partition to another; two looks cannot miss it.
            if all(at >= end for at, end in now.values()) and now == before:
                return
            before = now
            if time.monotonic() > deadline:
                raise AssertionError(f"not done within {patience:g} s: lag {self.lag()}\n{self.account()}")
            time.sleep(0.1)

    # -- what came of it --------------------------------------------------------------------------

    def query(self, sql: str) -> pa.Table:
        """Return the answer of the store, asked over HTTP."""
        client = open_client(ClickHouseConfig(url=self.servers.clickhouse.database(self.database)))
        try:
            return client.query(sql)
        finally:
            client.close()

    def stored(self) -> dict[tuple[str, str], Row]:
        """Return the stored daily bars, (code, session) -> values; fails when a key is there twice."""
        table = self.query(
            "SELECT toString(code) code, toString(session) session, "
            "toFloat64(open) open, toFloat64(high) high, toFloat64(low) low, toFloat64(close) close, "
            "toFloat64(pre_close) pre_close, volume, round(amount, 2) amount FROM bars_final "
            "WHERE frequency = '1d' AND adjust = 'none'"
        )
        rows = _rows(table)
        assert len(rows) == table.num_rows, f"{table.num_rows - len(rows)} keys of bars_final are there twice"
        return rows

    def doubles(self) -> int:
        """Return the rows of `bars` beyond one a key: written twice, hidden by `bars_final`, merged away later."""
        found = self.query("SELECT count() - uniqExact(code, frequency, adjust, timestamp) n FROM bars")
        return int(found["n"][0].as_py())

    def differences(self, codes: Iterable[str] | None = None, days: Iterable[str] | None = None) -> list[str]:
        """Return how the store differs from the vendor's tables for `codes` and `days` (all); nothing: it is equal."""
        return compared(self.source(codes, days), self.stored())

    def source(
        self, codes: Iterable[str] | None = None, days: Iterable[str] | None = None
    ) -> dict[tuple[str, str], Row]:
        """Return the vendor's bars of `codes` and `days` (all), as `stored` does the store's."""
        return source_rows(self.vendor.spec, codes, days)

    def inserts(self) -> int:
        """Return the inserts of bars that the stored reports account for."""
        return sum(report["inserts"] for report in self.reports())

    def reports(self) -> list[dict]:
        """Return the stored quality reports, whole."""
        found = self.query("SELECT payload FROM quality_reports FINAL ORDER BY created_at")
        return [json.loads(payload) for payload in found["payload"].to_pylist()]

    def dead_letters(self) -> list[Letter]:
        """Return the dead letters, the newest of each key."""
        latest = {message.key(): message for message in self._records(self.dead_letter_topic)}
        return [Letter.of(message) for message in latest.values()]

    def parked_codes(self) -> set[str]:
        """Return the codes of the commands that were ever put on the work topic."""
        values = [json.loads(message.value()) for message in self._records(self.work_topic)]
        found: set[str] = set()
        for params in (value["params"] for value in values):
            found |= {params["code"]} if "code" in params else set(params.get("codes") or ())
        return found

    def told(self, kind: str | None = None) -> list[dict]:
        """Return the messages of the notification topic, of one type or of all."""
        found = [json.loads(message.value()) for message in self._records(self.notification_topic)]
        return [message for message in found if kind is None or message.get("type") == kind]

    def traces_told(self, trace_id: str) -> set[str]:
        """Return the types of the notifications whose headers have this trace."""
        found = [
            m for m in self._records(self.notification_topic) if ("trace_id", trace_id.encode()) in (m.headers() or [])
        ]
        return {json.loads(message.value())["type"] for message in found}

    def outcomes(self) -> list[dict]:
        """Return the ends of all records as the workers told them."""
        return [outcome for event in self.told("command_ended") for outcome in event["data"]["outcomes"]]

    def account(self) -> str:
        """Say for a failing test how the workers are, and how their logs end."""
        lines = [f"group {self.group}"]
        try:
            lines += [f"  {name}: {json.dumps(beat, default=str)}" for name, beat in self.heartbeats().items()]
        except redis.RedisError as error:
            lines.append(f"  no heartbeats: {error}")
        for worker in self.workers:
            lines.append(f"  {worker.name}: {'alive' if worker.running else 'ended'}, pid {worker.pid}")
            lines += [f"    {line}" for line in worker.said().splitlines()[-25:]]
        return "\n".join(lines)

    def until(self, condition: Callable[[], bool], otherwise: str, patience: float = PATIENCE) -> None:
        """Wait until `condition()`; servers that are away just now are no answer. Fails with `otherwise`."""
        deadline = time.monotonic() + patience
        while True:
            try:
                if condition():
                    return
            except (redis.RedisError, KafkaException, OSError):
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"{otherwise} (after {patience:g} s)\n{self.account()}")
            time.sleep(0.05)

    # -- beginning and end --------------------------------------------------------------------------

    def close(self) -> None:
        """End every worker at once, and drop the database. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for worker in self.workers:
            worker.kill()
        self._inspector.close()
        client = open_client(ClickHouseConfig(url=self.servers.clickhouse.database(self.database)))
        client.command(f"DROP DATABASE IF EXISTS `{self.database}`")
        client.close()
        for worker in self.workers:
            assert_silent(worker.said(), worker.name)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _addresses(self, redis_number: int) -> Settings:
        servers = self.servers
        through = servers.through or {}
        store = ClickHouseAddress(through.get("clickhouse", servers.clickhouse.url))
        return {
            "worker": {"group_id": self.group, "topics": self.topics},
            "kafka": {
                "bootstrap_servers": through.get("kafka", servers.kafka.bootstrap),
                "work_topic": self.work_topic,
                "dead_letter_topic": self.dead_letter_topic,
                "notification_topic": self.notification_topic,
            },
            "redis": {"url": _database_of(through.get("redis", servers.redis_url), redis_number)},
            "clickhouse": {"url": store.database(self.database)},
            "sources": {
                "bars": ["tushare"],
                "tushare": {"base_url": self.vendor.url, "token": f"{PLANTED}token"},
            },
        }

    def _prepare_kafka(self, partitions: int, largest_record: int) -> None:
        kafka = self.servers.kafka
        for name in self.topics:
            kafka.create_topic(name, partitions, {"max.message.bytes": str(largest_record)})
        kafka.create_topic(self.notification_topic, 3)
        options = {"bootstrap.servers": kafka.bootstrap, "group.id": self.group, "enable.auto.commit": False}
        self._inspector = Consumer({**options, "log_level": 0})  # it asks about the group and never joins it
        self._closed = False

    def _prepare_redis(self) -> None:
        with redis.Redis.from_url(self._redis_url, socket_timeout=5.0) as client:
            client.flushdb()
        self.let_budget_be_known()

    def let_budget_be_known(self) -> None:
        """Make Redis one that has been watched for long: a new one says for a minute that its window is not known."""
        clock = SystemClock()
        ours = RedisClient(RedisConfig(url=self._redis_url), clock)
        RedisCallBudget(ours, clock, 1.0).watch()
        ours.close()
        with redis.Redis.from_url(self._redis_url, socket_timeout=5.0) as client:
            client.hset(f"{KEY_PREFIX}:known", "since", "0")

    def _prepare_store(self) -> None:
        client = open_client(ClickHouseConfig(url=self.servers.clickhouse.database(self.database)))
        apply_schema(client)
        market = self.vendor.spec.market()
        repository = ClickHouseReferenceRepository(client)
        securities, _ = securities_of(market.stock_basic, "L", 1)
        calendar = market.trade_cal
        place = calendar.column_names.index("is_open")
        days, _ = session_days_of(calendar.set_column(place, "is_open", calendar["is_open"].cast(pa.string())), 1)
        repository.write_securities(securities)
        repository.write_session_days(days)
        client.close()

    def _standing(self) -> dict[tuple[str, int], tuple[int, int]]:
        """Return (next offset of the group, end) per partition; a broker that has just come back is asked again."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return self._look()
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def _look(self) -> dict[tuple[str, int], tuple[int, int]]:
        standing = {}
        for place in self._inspector.committed(self.places(), timeout=15):
            low, high = self._inspector.get_watermark_offsets(place, timeout=15)
            standing[place.topic, place.partition] = (place.offset if place.offset >= 0 else low, high)
        return standing

    def _records(self, topic: str) -> list[Message]:
        kafka = self.servers.kafka
        return read_all(kafka.bootstrap, topic) if kafka.partitions(topic) else []


@dataclass(frozen=True)
class Letter:
    """A dead letter, with its headers as texts."""

    value: bytes | None
    headers: Mapping[str, str]

    @classmethod
    def of(cls, message: Message) -> Letter:
        """Return the letter that a record of the topic is."""
        found = {name: (value or b"").decode("utf-8", "replace") for name, value in message.headers() or []}
        return cls(message.value(), found)

    @property
    def error(self) -> str:
        """Class name of the error."""
        return self.headers["ginkgo-error"]

    @property
    def reason(self) -> str:
        """Why it was given up."""
        return self.headers["ginkgo-reason"]

    @property
    def codes(self) -> list[str]:
        """The codes given up; none: the whole command."""
        return [code for code in self.headers.get("ginkgo-codes", "").split(",") if code]


def snapshot(code: str, **params: object) -> bytes:
    """Return a `bar_snapshot` of one code as upstream's TaskTimer writes it, with more parameters."""
    return command("bar_snapshot", {"full": False, "force": False, "code": code, **params})


def command(word: str, params: Mapping[str, object], **more: object) -> bytes:
    """Return a command as upstream's TaskTimer writes it."""
    dto = {"command": word, "timestamp": "2026-08-15T21:10:00.123456", "params": params, "source": "task_timer"}
    return json.dumps({**dto, "correlation_id": None, "trace_id": None, "span_id": None, **more}).encode()


def source_rows(
    spec: MarketSpec, codes: Iterable[str] | None = None, days: Iterable[str] | None = None
) -> dict[tuple[str, str], Row]:
    """Return the vendor's daily bars in the units of the store, (code, session) -> values."""
    daily = spec.market().daily
    wanted = None if codes is None else set(codes)
    sessions = None if days is None else set(days)
    columns = {
        "code": daily["ts_code"].to_pylist(),
        "session": [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in daily["trade_date"].to_pylist()],
        **{name: daily[name].to_pylist() for name in ("open", "high", "low", "close", "pre_close")},
        "volume": [round(lots * 100) for lots in daily["vol"].to_pylist()],
        "amount": [round(thousands * 1000, 2) for thousands in daily["amount"].to_pylist()],
    }
    return {
        key: row
        for key, row in _rows(pa.table(columns)).items()
        if (wanted is None or key[0] in wanted) and (sessions is None or key[1] in sessions)
    }


def compared(wanted: Mapping[tuple[str, str], Row], found: Mapping[tuple[str, str], Row]) -> list[str]:
    """Return in words where two tables differ, at most a few lines of a kind."""
    missing = sorted(wanted.keys() - found.keys())
    extra = sorted(found.keys() - wanted.keys())
    changed = sorted(key for key in wanted.keys() & found.keys() if wanted[key] != found[key])
    kinds = (("missing", missing), ("too many", extra), ("with other values", changed))
    lines = [f"{len(keys)} keys {what}: {keys[:5]}" for what, keys in kinds if keys]
    return lines + [f"{key}: {found[key]} instead of {wanted[key]}" for key in changed[:5]]


def _rows(table: pa.Table) -> dict[tuple[str, str], Row]:
    columns = [table[name].to_pylist() for name in table.column_names]
    return {(row[0], row[1]): row[2:] for row in zip(*columns, strict=True)}


def _merged(base: Mapping[str, object], more: Mapping[str, object]) -> dict:
    """Return `base` with `more` in it: sections are merged, everything else is replaced."""
    merged = dict(base)
    for name, value in more.items():
        below = merged.get(name)
        inside = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(below, value) if inside else value
    return merged


def _database_of(url: str, number: int) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{number}"))
