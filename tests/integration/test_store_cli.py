"""`ginkgo-data revisions`, `schema` and `bars --adjust`, as a person runs them against a database."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from contracts.factor_revision_repository import revised as revised_factors
from contracts.revision_repository import one, revised, withdrawn
from ginkgo_data.adapters.clickhouse.adjustment_repository import ClickHouseAdjustmentRepository
from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import ClickHouseClient, open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.adapters.clickhouse.factor_revision_repository import ClickHouseFactorRevisionRepository
from ginkgo_data.adapters.clickhouse.revision_repository import ClickHouseRevisionRepository
from ginkgo_data.adapters.clickhouse.schema import MIGRATIONS, apply_schema
from ginkgo_data.domain.model.series import Adjust, Series
from ginkgo_data.entrypoints import cli
from support.bars import MINUTES_5, bars
from support.factors import factors
from support.program import Ended, run, start
from support.servers import ClickHouseServer

HEADER = "ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount"

_numbers = itertools.count(1)


@pytest.fixture
def address(clickhouse_server: ClickHouseServer) -> Iterator[str]:
    """The address of a database that does not exist yet; dropped afterwards."""
    url = clickhouse_server.database(f"store_cli_{next(_numbers)}")
    yield url
    client = open_client(ClickHouseConfig(url=url))
    client.command(f"DROP DATABASE `{ClickHouseConfig(url=url).database}`")
    client.close()


@pytest.fixture
def client(address: str) -> Iterator[ClickHouseClient]:
    """An open client of that database, with all tables."""
    client = open_client(ClickHouseConfig(url=address))
    apply_schema(client)
    yield client
    client.close()


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Runs the program in this process: as `run`, without the seconds that a process takes to start."""
    monkeypatch.setenv("COLUMNS", "200")
    for name in [name for name in os.environ if name.startswith("GINKGO_DATA__")]:
        monkeypatch.delenv(name)

    def run_here(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["ginkgo-data", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(int(ended.value.code or 0), *capfd.readouterr())

    return run_here


# -- revisions ----------------------------------------------------------------------------------


def test_a_correction_is_shown_with_old_and_new_value_and_when_both_were_fetched(tmp_path):
    file = tmp_path / "bars.csv"
    lines = [f"000001.SZ,2020010{day},10,10,10,10,10,0,0,100,100" for day in (2, 3)]
    file.write_text("\n".join([HEADER, *lines]) + "\n")
    first = run("quickstart", "--from", file, "--dir", tmp_path / "db", "--json")
    assert first.code == 0, first.err
    none = run("revisions", "000001.SZ", "--db", tmp_path / "db")
    assert none.code == 0, none.err
    assert none.out.startswith("no 1d/none bar of 000001.SZ between 1990-01-01 and")
    file.write_text(file.read_text().replace("20200103,10,10,10,10", "20200103,10,10.2,9.9,10"))
    again = run("quickstart", "--from", file, "--dir", tmp_path / "db", "--force", "--json")
    assert again.json["bars_written"] == 1
    shown = run("revisions", "SZ000001", "--db", tmp_path / "db")
    assert shown.code == 0, shown.err
    assert "1 bars corrected, 0 withdrawn" in shown.out
    assert [line.split()[:4] for line in shown.out.splitlines() if " 10 " in line] == [
        ["2020-01-03", "high", "10", "10.2"],
        ["low", "10", "9.9"],
    ]
    told = run("revisions", "000001.SZ", "--db", tmp_path / "db", "--json").json
    (change,) = told["revisions"]
    assert change["changes"] == {"high": {"old": 10, "new": 10.2}, "low": {"old": 10, "new": 9.9}}
    assert (change["session"], change["withdrawn"]) == ("2020-01-03", False)
    assert change["old_fetched_at"] < change["fetched_at"]
    assert change["fetched_at"].endswith("+08:00")
    assert change["request"]
    assert run("revisions", "000001.SZ", "--db", tmp_path / "db", "--end", "20200102", "--json").json["revisions"] == []


def test_a_withdrawn_bar_and_one_of_minutes_are_shown_as_what_they_were(address, client, here):
    repository = ClickHouseRevisionRepository(client)
    repository.write_revisions(withdrawn(one(10.25, 1_704_178_800_000_000), version=1_704_265_200_000_000))
    old = bars(sessions=["2024-01-02"], series=MINUTES_5, keep=1)
    new = bars(sessions=["2024-01-02"], closes=[10.5], pre_closes=[None], series=MINUTES_5, keep=1, version=2)
    repository.write_revisions(revised(old, new))
    daily = here("revisions", "000001.SZ", "--db", address)
    assert "0 bars corrected, 1 withdrawn" in daily.out
    line = next(line for line in daily.out.splitlines() if "withdrawn" in line and "(close)" in line)
    assert line.split() == [
        *("2024-01-02", "(close)", "10.25", "withdrawn", "2024-01-02", "15:00:00", "2024-01-03", "15:00:00", "r-1")
    ]
    minutes = here("revisions", "000001.SZ", "--db", address, "--frequency", "5m")
    assert "2024-01-02 09:35" in minutes.out
    told = here("revisions", "000001.SZ", "--db", address, "--frequency", "5m", "--json").json["revisions"][0]
    assert told["changes"]["pre_close"] == {"old": 10, "new": None}
    withdrawal = here("revisions", "000001.SZ", "--db", address, "--json").json["revisions"][0]
    assert (withdrawal["withdrawn"], withdrawal["changes"]["volume"]) == (True, {"old": 1000, "new": None})


def test_what_was_never_stored_was_not_left_uncorrected(address, client, here):
    """A wrong code must not read as a vendor who never errs."""
    ClickHouseBarRepository(client).write(bars())
    assert here("revisions", "000001.SZ", "--db", address).code == 0
    for options in (("999999.SH",), ("000001.SZ", "--end", "2024-01-01"), ("000001.SZ", "--frequency", "5m")):
        ended = here("revisions", *options, "--db", address)
        assert (ended.code, ended.out) == (1, "")
        assert f"no {'5m' if '5m' in options else '1d'}/none bars of {options[0]}" in ended.err
        assert here("revisions", *options, "--db", address, "--json").json["revisions"] == []


def test_when_another_program_fetched_a_bar_is_not_known_and_not_1970(address, client, here):
    old = bars(sessions=["2024-01-02"], version=0)
    new = bars(sessions=["2024-01-02"], closes=[10.5], version=1_704_178_800_000_000)
    ClickHouseRevisionRepository(client).write_revisions(revised(old, new))
    shown = here("revisions", "000001.SZ", "--db", address)
    assert "1970" not in shown.out
    assert "not known" in shown.out
    assert here("revisions", "000001.SZ", "--db", address, "--json").json["revisions"][0]["old_fetched_at"] is None


def test_a_corrected_factor_is_shown_with_old_and_new_value(address, client, here):
    versions = (1_704_178_800_000_000, 1_704_265_200_000_000)
    repository = ClickHouseFactorRevisionRepository(client)
    repository.write_revisions(revised_factors(7.768, 7.769, versions))
    repository.write_revisions(revised_factors(1.0, 7.768, (0, versions[0])))
    shown = here("revisions", "sz000001", "--factors", "--db", address)
    assert "000001.SZ adjustment factors  2 corrected by the vendor" in shown.out
    lines = [line.split() for line in shown.out.splitlines() if " 2024-01-08 " in line]
    assert lines == [
        ["2024-01-08", "1.0", "7.768", "not", "known", "2024-01-02", "15:00:00", "r-1"],
        ["2024-01-08", "7.768", "7.769", "2024-01-02", "15:00:00", "2024-01-03", "15:00:00", "r-1"],
    ]
    first, second = here("revisions", "000001.SZ", "--factors", "--db", address, "--json").json["revisions"]
    assert (first["old_fetched_at"], first["fetched_at"]) == (None, "2024-01-02T15:00:00+08:00")
    assert (second["session"], second["changes"]) == ("2024-01-08", {"factor": {"old": 7.768, "new": 7.769}})


def test_factors_never_corrected_and_factors_never_stored_are_told_apart(address, client, here):
    ClickHouseAdjustmentRepository(client).write(factors())
    held = here("revisions", "000001.SZ", "--factors", "--db", address)
    assert held.code == 0
    assert "has been corrected since it was stored" in held.out
    absent = here("revisions", "600519.SH", "--factors", "--db", address)
    assert (absent.code, absent.out) == (1, "")
    assert "no adjustment factors of 600519.SH" in absent.err
    wrong = here("revisions", "000001.SZ", "--factors", "--frequency", "5m", "--db", address)
    assert wrong.code == 2
    assert "--frequency" in wrong.err


@pytest.mark.parametrize("command", ["bars", "factors", "revisions"])
def test_a_window_that_ends_before_it_begins_is_wrong_use(address, here, command):
    ended = here(command, "000001.SZ", "--db", address, "--start", "2024-02-01", "--end", "20240101")
    assert (ended.code, ended.out) == (2, "")
    assert "--start 2024-02-01 is after --end 2024-01-01" in ended.err
    open_client(ClickHouseConfig(url=address)).close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nonsense"], "nonsense"),
        (["000001.SZ", "--start", "yesterday"], "--start"),
        (["000001.SZ", "--start", "2024-02-01", "--end", "2024-01-01"], "after --end"),
        (["000001.SZ"], "no database is named"),
    ],
)
def test_wrong_use_of_revisions_is_said_and_ends_with_two(options, said, here):
    ended = here("revisions", *options)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


# -- schema -------------------------------------------------------------------------------------


def test_status_tells_pending_and_apply_applies_them_once(address, here):
    open_client(ClickHouseConfig(url=address)).close()
    before = here("schema", "status", "--db", address)
    assert before.code == 0, before.err
    assert before.out.count("pending") >= len(MIGRATIONS)
    applied = here("schema", "apply", "--db", address, "--json").json
    assert applied["applied_now"] == [migration.version for migration in MIGRATIONS]
    assert {line["state"] for line in applied["versions"]} == {"applied"}
    assert here("schema", "apply", "--db", address, "--json").json["applied_now"] == []
    status = here("schema", "status", "--db", address, "--json").json
    assert [line["name"] for line in status["versions"]] == [migration.name for migration in MIGRATIONS]
    assert all(line["applied_at"].endswith("+00:00") for line in status["versions"])
    shown = here("schema", "status", "--db", address).out
    assert shown.count("applied ") >= len(MIGRATIONS)
    assert "pending" not in shown


def test_status_makes_no_database_of_a_folder_that_is_none(tmp_path):
    (tmp_path / "mine").mkdir()
    ended = run("schema", "status", "--db", tmp_path / "mine")
    assert ended.code == 2
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("command", [("schema", "status"), ("schema", "show"), ("bars", "000001.SZ"), ("coverage",)])
def test_looking_at_a_database_that_is_not_there_does_not_make_it(address, here, command):
    ended = here(*command, "--db", address)
    name = ClickHouseConfig(url=address).database
    assert (ended.code, ended.out) == (2, "")
    assert f"there is no database {name} at {address}" in ended.err
    server = open_client(ClickHouseConfig(url=address.replace(name, "default")))
    assert server.query(f"EXISTS DATABASE `{name}`").column(0)[0].as_py() == 0
    server.close()
    open_client(ClickHouseConfig(url=address)).close()


def test_apply_makes_the_database_of_a_new_folder(tmp_path):
    ended = run("schema", "apply", "--db", tmp_path / "new")
    assert ended.code == 0, ended.err
    assert f"applied now: {', '.join(str(m.version) for m in MIGRATIONS)}" in ended.out
    assert run("schema", "status", "--db", tmp_path / "new", "--json").json["versions"][0]["state"] == "applied"


def test_a_database_newer_than_the_program_is_refused_by_its_versions(address, client, here):
    client.insert("schema_versions", pa.table({"version": pa.array([999], pa.uint32()), "name": ["later"]}))
    for command in ("status", "apply"):
        ended = here("schema", command, "--db", address)
        assert ended.code == 1
        assert "schema version 999" in ended.err
    assert "later" in here("schema", "status", "--db", address).out
    reader = here("bars", "000001.SZ", "--db", address)
    assert reader.code == 1
    assert "schema version 999" in reader.err


def test_a_table_that_does_not_fit_is_named_by_apply(address, client, here):
    client.command("ALTER TABLE bars DROP COLUMN pre_close")
    for command in ("apply", "status"):
        ended = here("schema", command, "--db", address)
        assert ended.code == 1
        assert "bars: column pre_close" in ended.err
    assert "applied" in ended.out


def test_ginkgos_tables_are_made_checked_and_shown_where_the_configuration_says_so(address, tmp_path, here):
    config = tmp_path / "worker.yml"
    config.write_text(f"clickhouse: {{url: '{address}', layout: ginkgo}}\n")
    assert here("schema", "apply", "--db", address).code == 0
    missing = here("schema", "status", "--config", config)
    assert (missing.code, "table bar " in missing.err) == (1, True), missing.err
    assert here("schema", "apply", "--config", config).code == 0
    assert here("schema", "status", "--config", config).code == 0
    shown = here("schema", "show", "--config", config, "--json").json
    assert "`foreadjustfactor` Decimal(16, 6)" in shown["adjustfactor"]
    assert "CREATE TABLE" in shown["bar"]
    client = open_client(ClickHouseConfig(url=address))
    client.command("ALTER TABLE bar DROP COLUMN amount")
    client.close()
    for command in ("apply", "status"):
        ended = here("schema", command, "--config", config)
        assert (ended.code, "table bar: column amount" in ended.err) == (1, True), ended.err


def test_show_prints_statements_that_can_be_here(address, here):
    shown = here("schema", "show")
    assert shown.code == 0, shown.err
    client = open_client(ClickHouseConfig(url=address))
    for statement in shown.out.split(";\n"):
        if statement.strip():
            client.command(statement)
    client.close()
    assert here("schema", "apply", "--db", address).code == 0
    there = here("schema", "show", "--db", address, "--json").json
    assert there.keys() == here("schema", "show", "--json").json.keys()
    assert "CREATE TABLE" in there["bars"]
    assert "CREATE VIEW" in there["bars_qfq"]


def test_four_who_apply_at_once_to_an_empty_database_all_succeed(address):
    processes = [start("schema", "apply", "--db", address, "--json") for _ in range(4)]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in processes]
    assert [code for *_, code in ended] == [0] * 4, [err for _, err, _ in ended]
    for out, *_ in ended:
        assert {line["state"] for line in json.loads(out)["versions"]} == {"applied"}
    status = run("schema", "status", "--db", address, "--json").json
    assert [line["version"] for line in status["versions"]] == [migration.version for migration in MIGRATIONS]
    client = open_client(ClickHouseConfig(url=address))
    ClickHouseBarRepository(client).write(bars())
    assert client.query("SELECT count() AS n FROM bars_final")["n"].to_pylist() == [2]
    client.close()


# -- bars --adjust ------------------------------------------------------------------------------


def _factors(client: ClickHouseClient, *days: str) -> None:
    sessions = ", ".join(f"('000001.SZ', '{day}', {place + 1}, 'test', 1)" for place, day in enumerate(days))
    client.command(f"INSERT INTO adjustment_factors (code, session, factor, source, version) VALUES {sessions}")


def test_adjusted_bars_are_computed_where_none_are_stored_and_it_is_said(address, client, here):
    ClickHouseBarRepository(client).write(bars(sessions=["2024-01-02", "2024-01-03", "2024-01-04"], source="tushare"))
    _factors(client, "2024-01-03", "2024-01-04")
    qfq = here("bars", "000001.SZ", "--db", address, "--adjust", "qfq", "--format", "json")
    assert qfq.code == 0, qfq.err
    assert [row["close"] for row in qfq.json] == [None, 5.0, 10.0]
    assert {(row["adjust"], row["source"]) for row in qfq.json} == {("qfq", "tushare")}
    assert "scaled to the prices of 2024-01-04, the newest factor held" in qfq.err
    assert "1 bars before the first factor have no adjusted price" in qfq.err
    hfq = here("bars", "000001.SZ", "--db", address, "--adjust", "hfq")
    assert hfq.code == 0, hfq.err
    assert "computed from raw bars and adjustment factors" in hfq.err
    assert here("bars", "000001.SZ", "--db", address).err == ""


def test_stored_adjusted_bars_come_before_computed_ones(address, client, here):
    repository = ClickHouseBarRepository(client)
    repository.write(bars())
    repository.write(bars(closes=[7.0, 7.5], series=Series(adjust=Adjust.QFQ)))
    _factors(client, "2024-01-02", "2024-01-03")
    found = here("bars", "000001.SZ", "--db", address, "--adjust", "qfq", "--format", "json")
    assert ([row["close"] for row in found.json], found.err) == ([7.0, 7.5], "")


def test_raw_bars_without_factors_are_no_adjusted_bars_and_it_is_said_why(address, client, here):
    ClickHouseBarRepository(client).write(bars())
    found = here("bars", "000001.SZ", "--db", address, "--adjust", "qfq")
    assert (found.code, found.out) == (1, "")
    assert "2 raw bars of 000001.SZ are stored, but no adjustment factor" in found.err
