"""Importing the package costs nothing that is not used."""

from __future__ import annotations

import json
import subprocess
import sys

CLIENTS = {
    "chdb",
    "clickhouse_connect",
    "confluent_kafka",
    "dependency_injector",
    "exchange_calendars",
    "httpx",
    "opentelemetry",
    "pandas",
    "prometheus_client",
    "pydantic",
    "redis",
    "rich",
    "tenacity",
    "typer",
    "yaml",
}
"""Top-level packages of the client libraries and of what stands at the edges."""

COLUMNS = {"numpy", "pyarrow"}

EVERY_CORE_MODULE = """
import importlib, pkgutil
import ginkgo_data.domain, ginkgo_data.ports
walked = [
    module.name
    for package in (ginkgo_data.domain, ginkgo_data.ports)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
]
for name in walked:
    importlib.import_module(name)
assert "ginkgo_data.domain.model.bars" in walked and "ginkgo_data.ports.clock" in walked, walked
"""


def loaded_by(code: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded after `code`, beyond those of its start."""
    lines = [
        "import json, sys",
        "before = set(sys.modules)",
        code,
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_no_client_library_and_no_columns():
    loaded = loaded_by("import ginkgo_data")
    assert "ginkgo_data" in loaded
    assert loaded & (CLIENTS | COLUMNS) == set()


def test_importing_the_whole_core_loads_columns_and_no_client_library():
    loaded = loaded_by(EVERY_CORE_MODULE)
    assert loaded >= COLUMNS
    assert loaded & CLIENTS == set()
