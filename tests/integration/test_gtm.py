"""Inside another program: the example host, GTM's method, its command line and its names."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import ginkgo_data
from ginkgo_data import WORKER_STATUS_TYPES, WorkerStatus
from ginkgo_data.adapters.gtm.glog import GlogHandler, logging_to
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.model.work_context import Trace, WorkContext, working
from ginkgo_data.entrypoints import gtm, worker_cli
from ginkgo_data.entrypoints.settings import Settings
from support.gtm_host import FakeGLOG

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "gtm_host.py"


def test_the_example_host_collects_through_its_own_objects(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path / "db")], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "BarCRUD holds 18 bars: 000001.SZ 9, 600519.SH 9"
    assert any("worked bar_snapshot" in line and line.startswith("[GLOG INFO]") for line in lines)
    assert done.stderr == ""


HOSTED = """
import sys
from ginkgo_data import Settings, run_data_worker
settings = Settings.model_validate({
    "kafka": {"bootstrap_servers": "memory://"}, "redis": {"url": "memory://"}, "clickhouse": {"url": "chdb://db"},
    "sources": {"bars": ["files"], "files": {"path": "."}},
})
class Glog:
    def INFO(self, msg): print(msg, flush=True)
    DEBUG = WARN = ERROR = CRITICAL = INFO
run_data_worker(node_id="data_1", settings=settings, glog=Glog())
print("returned", flush=True)
"""


def test_sigterm_ends_the_worker_in_good_order_and_the_call_returns(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOSTED], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line.strip())
            if "STARTING -> RUNNING" in line:
                process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, process.stderr.read()
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()
    assert lines[-1] == "returned"
    assert lines[-2].endswith("worker data_1: STOPPING -> STOPPED")


# -- GTM's method, with a worker that only says what happens to it ------------------------------------------


class Recorded:
    """Stands for `DataWorker`."""

    made: list[Recorded]

    def __init__(self, bar_crud, group_id, auto_offset_reset, node_id, *, settings, parts) -> None:
        self.given = (bar_crud, group_id, auto_offset_reset, node_id)
        self.stopped: list[float] = []
        self.joined: object = lambda: None
        self.alive = True
        self.stats = ginkgo_data.domain.model.worker.WorkerStats(last_error="StoreUnavailable: away")
        type(self).made.append(self)

    def start(self) -> bool:
        logging.getLogger("ginkgo_data.test").info("started")
        return True

    def is_alive(self) -> bool:
        return self.alive

    def join(self, timeout: float) -> None:
        ON_JOIN[0](self)

    def stop(self, timeout: float) -> bool:
        self.stopped.append(timeout)
        return STOPS[0]


ON_JOIN: list = [None]
STOPS: list = [True]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    Recorded.made = []
    STOPS[0] = True
    monkeypatch.setattr(gtm, "DataWorker", Recorded)
    monkeypatch.setenv("GINKGO_DIR", "/nonexistent")
    monkeypatch.setenv("GINKGO_DATA_CONFIG", "")
    monkeypatch.delenv("GINKGO_NODE_ID", raising=False)
    return Recorded.made


def run_until_stopped(**keywords: object) -> None:
    stop = threading.Event()
    ON_JOIN[0] = lambda _: stop.set()
    gtm.run_data_worker(stop=stop, **keywords)


def test_the_worker_is_called_as_the_caller_the_environment_or_the_host_says(recorded, monkeypatch) -> None:
    monkeypatch.setattr(gtm.socket, "gethostname", lambda: "box")
    run_until_stopped()
    monkeypatch.setenv("GINKGO_NODE_ID", "from-env")
    run_until_stopped()
    run_until_stopped(node_id="given")
    run_until_stopped(settings=Settings.model_validate({"worker": {"node_id": "set"}}))
    assert [one.given[3] for one in recorded] == ["data_worker_box", "from-env", "given", "set"]
    assert all(one.stopped for one in recorded)


def test_what_gtm_hands_over_reaches_the_worker(recorded) -> None:
    crud = object()
    run_until_stopped(bar_crud=crud, group_id="g", auto_offset_reset="latest", node_id="n")
    assert recorded[0].given == (crud, "g", "latest", "n")


def test_ctrl_c_stops_the_worker_and_is_raised(recorded) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    ON_JOIN[0] = interrupted
    with pytest.raises(KeyboardInterrupt):
        gtm.run_data_worker()
    assert recorded[0].stopped == [25.0]


def test_a_worker_that_ends_by_itself_is_an_error_with_its_reason(recorded) -> None:
    def died(worker: Recorded) -> None:
        worker.alive = False

    ON_JOIN[0] = died
    with pytest.raises(RuntimeError, match="ended without having been asked: StoreUnavailable: away"):
        gtm.run_data_worker(node_id="n")


def test_a_worker_that_does_not_end_in_time_is_an_error(recorded) -> None:
    STOPS[0] = False
    with pytest.raises(RuntimeError, match="did not end in 25 s"):
        run_until_stopped()


def test_signals_are_left_to_a_host_that_handles_them_and_given_back(recorded) -> None:
    seen: list[object] = []
    ON_JOIN[0] = lambda _: (seen.append(signal.getsignal(signal.SIGTERM)), os.kill(os.getpid(), signal.SIGTERM))
    gtm.run_data_worker()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert seen[0] is not signal.SIG_DFL

    def own(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, own)
    try:
        run_until_stopped()
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_lines_go_to_the_hosts_logger_while_the_worker_runs(recorded) -> None:
    glog = FakeGLOG()
    run_until_stopped(glog=glog)
    logging.getLogger("ginkgo_data.test").info("afterwards")
    assert glog.lines == [("INFO", None, "[ginkgo_data.test] started")]


def test_a_part_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"parts: 'bars' is no part of a worker; allowed: .*bar_repository"):
        ginkgo_data.DataWorker(settings=Settings(), parts={"bars": object()})


# -- the logger ---------------------------------------------------------------------------------------------


def test_levels_ids_and_trace_reach_the_hosts_logger() -> None:
    glog, log = FakeGLOG(), logging.getLogger("ginkgo_data.test.levels")
    work = WorkContext("n1", "bar_snapshot", ("r1",), trace=Trace("t1"))
    with logging_to(glog), working(work):
        log.debug("not asked for")
        for level in (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            log.log(level, "said %s", "so")
    about = "[ginkgo_data.test.levels] said so node_id=n1 request_id=r1"
    assert glog.lines == [(level, "t1", about) for level in ("INFO", "WARN", "ERROR", "CRITICAL")]


def test_a_line_that_the_hosts_logger_writes_itself_does_not_come_back() -> None:
    log = logging.getLogger("ginkgo_data.test.echo")

    class Echo(FakeGLOG):
        def INFO(self, msg: str) -> None:  # noqa: N802
            super().INFO(msg)
            log.info("echo of %s", msg)

    glog = Echo()
    with logging_to(glog):
        log.info("once")
    assert [text for *_, text in glog.lines] == ["[ginkgo_data.test.echo] once"]


def test_a_fault_of_the_hosts_logger_does_not_reach_the_work(monkeypatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)

    class Broken(FakeGLOG):
        def ERROR(self, msg: str) -> None:  # noqa: N802
            raise OSError("disk full")

    with logging_to(Broken()):
        logging.getLogger("ginkgo_data.test").error("said")


def test_a_logger_without_the_methods_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="glog: object has no DEBUG, INFO, WARN, ERROR, CRITICAL"):
        GlogHandler(object())


# -- the command line and the names -------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    calls: list[dict[str, object]] = []
    monkeypatch.setattr(worker_cli, "start", lambda **given: calls.append(given))
    return calls


def ginkgo() -> typer.Typer:
    """Return a command line like Ginkgo's, with our sub-app under `worker`."""
    app = typer.Typer()
    app.add_typer(ginkgo_data.worker_app, name="worker")
    return app


def test_ginkgos_command_line_starts_a_data_worker(started) -> None:
    arguments = ["worker", "start", "--data", "--debug", "--group-id", "g", "--auto-offset", "latest", "--id", "n"]
    assert CliRunner().invoke(ginkgo(), arguments).exit_code == 0
    (call,) = started
    assert {key: call[key] for key in ("debug", "group_id", "auto_offset", "node_id")} == {
        "debug": True,
        "group_id": "g",
        "auto_offset": "latest",
        "node_id": "n",
    }


def test_beside_the_commands_of_a_worker_group_that_is_there_already(started) -> None:
    theirs = typer.Typer()

    @theirs.command("list")
    def listed() -> None:
        """List workers."""

    theirs.add_typer(ginkgo_data.worker_app)
    app = typer.Typer()
    app.add_typer(theirs, name="worker")
    assert CliRunner().invoke(app, ["worker", "list"]).exit_code == 0
    assert CliRunner().invoke(app, ["worker", "start", "--data"]).exit_code == 0
    assert len(started) == 1


def test_without_data_it_says_which_worker_there_is(started) -> None:
    done = CliRunner().invoke(ginkgo(), ["worker", "start"])
    assert done.exit_code == 2
    assert "allowed: --data" in done.output
    assert started == []


def test_states_have_upstreams_names_and_numbers() -> None:
    assert {member.name: member.value for member in WORKER_STATUS_TYPES} == {
        "VOID": -1,
        "STOPPED": 0,
        "STARTING": 1,
        "RUNNING": 2,
        "STOPPING": 3,
        "ERROR": 4,
    }
    for status in WorkerStatus:
        assert WORKER_STATUS_TYPES.from_int(status) == status
        assert WORKER_STATUS_TYPES[status.name] == status
    assert WORKER_STATUS_TYPES.enum_convert("running") is WORKER_STATUS_TYPES.RUNNING
    assert WORKER_STATUS_TYPES.enum_convert("nothing") is None
    assert WORKER_STATUS_TYPES.RUNNING.to_int() == WORKER_STATUS_TYPES.validate_input(WorkerStatus.RUNNING) == 2
    assert [WORKER_STATUS_TYPES.from_int(bad) for bad in (9, "x", None)] == [None] * 3
    assert [WORKER_STATUS_TYPES.validate_input(bad) for bad in (9, "2", None)] == [None] * 3


def test_every_public_name_is_there() -> None:
    for name in ginkgo_data.__all__:
        assert getattr(ginkgo_data, name) is not None
    assert set(ginkgo_data.__all__) == set(dir(ginkgo_data))
