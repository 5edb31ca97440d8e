"""The package inside a host program, each in a process of its own (an engine allows one path per process)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BARS = """ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount
600519.SH,20200102,10,10,10,10,9,1,1,100,100
600519.SH,20200103,11,11,11,11,10,1,1,100,110
"""


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readmes_lines_collect_bars(tmp_path, readme):
    (tmp_path / "bars.csv").write_text(BARS)
    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL)
    wait = "import time\nwhile container.broker().pending(): time.sleep(0.05)\n"
    wait += "print(worker.get_stats()['bars_written'])\n"
    done = run(lines.replace("/tmp/bars", str(tmp_path / "db")).replace("...\n", wait), tmp_path)
    assert done.returncode == 0, done.stderr
    # From the listing date to today is due; the archive has two sessions of it.
    assert done.stdout.strip() == "2"


def test_an_error_in_the_host_ends_the_worker_and_the_process(tmp_path):
    (tmp_path / "bars.csv").write_text(BARS)
    script = """
from ginkgo_data import Settings, open_worker
settings = Settings.model_validate({
    "kafka": {"bootstrap_servers": "memory://"}, "redis": {"url": "memory://"},
    "clickhouse": {"url": "chdb://db"}, "sources": {"bars": ["files"], "files": {"path": "bars.csv"}},
})
with open_worker(settings, node_id="host-1") as worker:
    worker.start()
    raise RuntimeError("host fault")
"""
    done = run(script, tmp_path)
    assert done.returncode == 1
    assert "host fault" in done.stderr


HOSTED = """
import threading, time
from ginkgo_data import DataWorker, Settings
settings = Settings.model_validate({
    "kafka": {"bootstrap_servers": "memory://"},
    "redis": {"url": "memory://"},
    "clickhouse": {"url": "chdb://db"},
    "sources": {"bars": ["files"], "files": {"path": "bars.csv"}},
})
worker = DataWorker(
    bar_crud=object(), group_id="g", auto_offset_reset="earliest", node_id="node-7", settings=settings
)
put = lambda text: worker.container.broker().put("ginkgo.data.commands", text)
"""


def test_the_worker_takes_what_gtm_hands_over_and_wires_itself(tmp_path):
    (tmp_path / "bars.csv").write_text(BARS)
    script = f"""{HOSTED}
assert isinstance(worker, threading.Thread) and not worker.daemon
put(b'{{"command": "stockinfo"}}')
put(b'{{"command": "bar_snapshot", "params": {{"codes": ["*"], "full": true}}}}')
assert worker.start() and not worker.start()
while worker.container.broker().pending(): time.sleep(0.05)
assert worker.is_running and worker.is_healthy
print(worker.get_stats()["bars_written"], worker.observe().node_id, worker.container.settings().worker.group_id)
assert worker.stop(timeout=30.0)
worker.wait_for_completion()
assert not worker.is_running
"""
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "node-7", "g"]


def test_a_worker_whose_host_is_over_ends_with_the_next_command_and_leaves_it_uncommitted(tmp_path):
    (tmp_path / "bars.csv").write_text(BARS)
    script = f"""{HOSTED}
put(b'{{"command": "stockinfo"}}')
worker.start()
while worker.container.broker().pending(): time.sleep(0.05)
def later():
    threading.main_thread().join()
    put(b'{{"command": "bar_snapshot", "params": {{"codes": ["*"], "full": true}}}}')
    worker.join()
    print(len(worker.container.broker().pending()), worker.status.name, flush=True)
threading.Thread(target=later).start()
"""
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "STOPPED"]
    assert "Traceback" not in done.stderr
