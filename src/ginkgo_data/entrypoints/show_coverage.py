# Upstream: entrypoints.coverage_cli
# Downstream: domain.{model, services}, entrypoints.{coverage_json, coverage_page, coverage_table, database}, rich
# Role: Coverage on the terminal, as JSON, and into a page
"""What `ginkgo-data coverage` does with a reading."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ginkgo_data.domain.model.errors import ConfigurationError, MalformedCommand, NotAvailable, UnknownCode
from ginkgo_data.domain.services.coverage_reading import CoverageQuestion
from ginkgo_data.entrypoints.coverage_json import coverage_json
from ginkgo_data.entrypoints.coverage_page import coverage_page
from ginkgo_data.entrypoints.coverage_table import print_coverage
from ginkgo_data.entrypoints.database import database_settings, opened


@dataclass(frozen=True, slots=True)
class CoverageOutput:
    """How to tell it."""

    html: Path | None = None
    everything: bool = False
    as_json: bool = False


def show_coverage(
    question: CoverageQuestion, output: CoverageOutput, database: str | None, config: Path | None
) -> bool:
    """Read, tell, and return whether nothing is unexplained.

    Raises `ConfigurationError` where no database is named or the page cannot be written, `MalformedCommand` for a
    question that cannot be answered, `StoreUnavailable` where the store does not.
    """
    settings = database_settings(database, config)
    place = settings.clickhouse.url
    try:
        with opened(settings) as container:
            reading = container.coverage_reader().read(question)
            read_at = container.clock().now()
    except (UnknownCode, NotAvailable) as error:
        raise MalformedCommand(f"{error} ({place})") from error
    if output.html:
        _write(output.html, coverage_page(reading, place, read_at))
    if output.as_json:
        sys.stdout.write(json.dumps(coverage_json(reading, place), ensure_ascii=False) + "\n")
    else:
        console = Console(highlight=False)
        print_coverage(reading, console, output.everything)
        if output.html:
            console.print(f"page written: {output.html}", markup=False, soft_wrap=True)
    return not reading.cover.counts().coverage().unexplained


def _write(file: Path, page: str) -> None:
    try:
        file.write_text(page, "utf-8")
    except OSError as error:
        raise ConfigurationError(f"--html {file}: cannot be written: {error.strerror}") from error
