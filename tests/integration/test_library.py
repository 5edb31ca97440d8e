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
