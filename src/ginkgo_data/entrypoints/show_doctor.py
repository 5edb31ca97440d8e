# Upstream: entrypoints.operator_cli
# Downstream: entrypoints.{doctor, loading}, rich
# Role: `ginkgo-data doctor` on the terminal and as JSON
"""Exit codes: 0 nothing is wrong, though there may be warnings; 1 something is; 2 the file cannot be read at all."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ginkgo_data.entrypoints.doctor import FAULT, OK, WARNING, Finding, examine
from ginkgo_data.entrypoints.loading import load_settings

_STYLES = {OK: "green", WARNING: "yellow", FAULT: "red"}


def run_doctor(config: Path | None, as_json: bool) -> int:
    """Examine everything, print what was found as it is found, and return the exit code."""
    # A server that does not answer is said once, by its finding.
    for family in ("kafka", "redis", "clickhouse", "tushare"):
        logging.getLogger(f"ginkgo_data.adapters.{family}").setLevel(logging.CRITICAL)
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    loaded = load_settings(config, tolerant=True)
    console = Console(highlight=False, soft_wrap=True)
    findings: list[Finding] = []
    for finding in examine(loaded):
        findings.append(finding)
        if not as_json:
            style = _STYLES.get(finding.state, "dim")
            console.print(f"[{style}]{finding.state:8}[/] [bold]{escape(finding.subject)}[/]: {escape(finding.found)}")
            if finding.advice and finding.state != OK:
                console.print(f"{'':9}-> {escape(finding.advice)}")
    if as_json:
        well = not any(finding.state == FAULT for finding in findings)
        shown = {"well": well, "findings": [asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(shown, ensure_ascii=False) + "\n")
    return int(any(finding.state == FAULT for finding in findings))
