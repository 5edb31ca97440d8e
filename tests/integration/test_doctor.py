"""`ginkgo-data doctor`: each thing a worker depends on is asked for real, and each line says what to do."""

from __future__ import annotations

import pytest

from ginkgo_data.adapters.clickhouse.client import open_client
from support.operated_fleet import OperatedFleet
from support.processes import HOST, free_port
from support.tushare_server import TushareServer
from support.vendor import MarketSpec


@pytest.fixture
def fleet(kafka_server, redis_server):
    fleet = OperatedFleet(kafka_server, redis_server.url)
    yield fleet
    fleet.close()


@pytest.fixture
def vendor():
    with TushareServer(MarketSpec(3, "2020-06-01", 2).market(), token="planted-t0ken") as server:
        yield server


def states(ended) -> dict[str, str]:
    return {finding["subject"]: finding["state"] for finding in ended.json["findings"]}


def vendor_of(server: TushareServer, token: str = "") -> dict[str, str]:
    return {
        "GINKGO_DATA__SOURCES__TUSHARE__BASE_URL": server.url,
        "GINKGO_DATA__SOURCES__TUSHARE__TOKEN": token or server.token,
    }


def test_where_all_is_there_nothing_is_wrong(fleet, vendor, store_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fleet.make_topics(partitions=12)
    place = {"GINKGO_DATA__CLICKHOUSE__URL": store_config.url}
    assert fleet.run("schema", "apply", **place).code == 0
    ended = fleet.run("doctor", "--json", **place, **vendor_of(vendor))
    assert ended.json["well"], ended.out
    assert ended.code == 0
    found = states(ended)
    assert {found[name] for name in ("Kafka", "Redis", "ClickHouse", "schema", "source tushare")} == {"ok"}
    assert {state for name, state in found.items() if name.startswith("topic")} == {"ok"}


def test_what_is_away_is_said_one_by_one_with_what_to_do(fleet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nowhere = f"{HOST}:{free_port()}"
    more = {
        "GINKGO_DATA__KAFKA__BOOTSTRAP_SERVERS": nowhere,
        "GINKGO_DATA__REDIS__URL": f"redis://{nowhere}/0",
        "GINKGO_DATA__CLICKHOUSE__URL": f"clickhouse://{nowhere}/ginkgo",
    }
    ended = fleet.run("doctor", **more)
    assert ended.code == 1
    for subject in ("Kafka", "Redis", "ClickHouse", "sources"):
        assert f"fault    {subject}: " in ended.out
    assert ended.out.count(nowhere) >= 3
    assert "-> start a broker there, or set kafka.bootstrap_servers" in ended.out
    assert "Traceback" not in ended.out + ended.err


def test_missing_topics_and_a_schema_that_is_behind_are_found(fleet, vendor, store_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = {"GINKGO_DATA__CLICKHOUSE__URL": store_config.url}
    open_client(store_config).close()  # makes the database, and no table
    ended = fleet.run("doctor", "--json", **place, **vendor_of(vendor))
    found = states(ended)
    assert ended.code == 1
    assert (found[f"topic {fleet.data}"], found["schema"]) == ("fault", "warning")
    assert any("ginkgo-data schema apply" in finding["advice"] for finding in ended.json["findings"])


def test_a_database_that_is_not_there_is_not_made(fleet, vendor, clickhouse_server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = {"GINKGO_DATA__CLICKHOUSE__URL": clickhouse_server.database("nobody_made_it")}
    ended = fleet.run("doctor", "--json", **place, **vendor_of(vendor))
    assert states(ended)["ClickHouse"] == "warning"
    again = fleet.run("doctor", **place, **vendor_of(vendor))
    assert "warning  ClickHouse: no database nobody_made_it at " in again.out, "the first look made none"


def test_a_token_that_the_vendor_does_not_know_is_found_and_not_shown(fleet, vendor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = {"GINKGO_DATA__CLICKHOUSE__URL": f"chdb://{tmp_path}/none"}
    ended = fleet.run("doctor", "--json", **place, **vendor_of(vendor, "wrong-t0ken"))
    assert states(ended)["source tushare"] == "fault"
    assert states(ended)["ClickHouse"] == "warning"
    assert "wrong-t0ken" not in ended.out + ended.err


def test_a_bad_file_is_a_finding_and_the_rest_is_examined_all_the_same(fleet, tmp_path):
    file = tmp_path / "data_worker.yml"
    file.write_text("worker: {bach_size: 5000}\nclickhouse: {url: chdb://none}\n")
    ended = fleet.run("doctor", "--json", "--config", file)
    assert ended.code == 1
    assert any("bach_size" in finding["found"] for finding in ended.json["findings"])
    assert states(ended)["Redis"] == "ok"
