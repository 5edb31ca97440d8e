"""`ginkgo-data worker start --embedded`: a worker without a server, commands from standard input."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.program import dump, start

BARS = """ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount
600519.SH,20200102,10,10,10,10,9,1,1,100,100
600519.SH,20200103,11,11,11,11,10,1,1,100,110
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bars.csv").write_text(BARS)
    (tmp_path / "worker.yml").write_text(
        f"clickhouse: {{url: 'chdb://{tmp_path}/db'}}\n"
        f"sources: {{bars: [files], files: {{path: {tmp_path}/bars.csv}}}}\n"
    )
    return tmp_path


def worker(folder: Path, *options: str) -> subprocess.Popen:
    return start(
        "worker", "start", "--embedded", "--config", folder / "worker.yml", *options, cwd=folder, stdin=subprocess.PIPE
    )


def command(word: str, **params: object) -> str:
    return json.dumps({"command": word, "params": params, "request_id": word}) + "\n"


SNAPSHOT = command("bar_snapshot", codes=["*"], full=True)


def test_commands_from_standard_input_are_worked_and_their_outcomes_printed(folder):
    process = worker(folder)
    out, err = process.communicate(command("stockinfo") + "\n" + SNAPSHOT, timeout=60)
    assert process.returncode == 0, err
    outcomes = {o["request_id"]: o["outcome"] for o in map(json.loads, out.splitlines())}
    assert outcomes == {"stockinfo": "done", "bar_snapshot": "done"}
    assert dump(folder / "db").count("600519.SH") == 2


def test_a_line_that_is_no_command_is_said_and_the_others_are_done(folder):
    process = worker(folder)
    out, err = process.communicate("nonsense\n" + command("stockinfo"), timeout=60)
    assert process.returncode == 1
    outcomes = [(o["outcome"], o["error"]) for o in map(json.loads, out.splitlines())]
    assert sorted(outcomes) == [("dead_letter", "MalformedCommand"), ("done", "")]
    assert "MalformedCommand" in err


def running(process: subprocess.Popen) -> None:
    """Wait until the worker says that it runs."""
    assert process.stderr is not None
    for line in process.stderr:
        if "-> RUNNING" in line:
            return
    pytest.fail("it never ran")


def test_a_signal_ends_it_in_good_order(folder):
    process = worker(folder)
    running(process)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "STOPPING -> STOPPED" in err
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--auto-offset", "middle"), "worker.auto_offset_reset"),
        (("--config", "missing.yml"), "missing.yml"),
    ],
)
def test_wrong_options_are_said_and_end_with_2(folder, options, said):
    process = worker(folder, *options)
    _, err = process.communicate("", timeout=60)
    assert process.returncode == 2
    assert said in err
    assert "Traceback" not in err


FAULTY = "worker: {concurrency: 0, node_id: planted-node}\nquality: {alert_cooldwn: 1}\n"


def test_with_a_faulty_file_it_works_all_the_same_and_says_what_counts_instead(folder):
    with (folder / "worker.yml").open("a") as file:
        file.write(FAULTY)
    process = worker(folder)
    out, err = process.communicate(command("stockinfo"), timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["outcome"] == "done"
    lines = [json.loads(line) for line in err.splitlines()]
    assert {line["node_id"] for line in lines} == {"planted-node"}
    faults = [line["message"] for line in lines if line["message"].startswith("configuration: ")]
    place = folder / "worker.yml"
    assert faults[0].startswith(f"configuration: {place}:3:23: worker.concurrency: found 0; allowed: a whole number")
    assert faults[0].endswith("used instead: worker.concurrency is 8")
    assert "did you mean alert_cooldown?" in faults[1]
    assert any(line["message"].startswith("A worker was started with a faulty configuration: ") for line in lines)


def test_a_faulty_file_is_the_end_where_that_is_asked_for(folder):
    with (folder / "worker.yml").open("a") as file:
        file.write(FAULTY)
    process = worker(folder, "--strict-config")
    out, err = process.communicate(command("stockinfo"), timeout=60)
    assert (process.returncode, out) == (2, "")
    assert "worker.concurrency: found 0" in err
    assert "alert_cooldwn" in err
    assert "Traceback" not in err
