# Upstream: entrypoints.quality_cli
# Downstream: adapters.kafka, domain.{model, services}, entrypoints.{database, quality_page, quality_table}, rich
# Role: `ginkgo-data quality`: the history of reports as a table, JSON, and one page
"""Reads the reports of the store; asks nobody else."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console

from ginkgo_data.adapters.kafka.report_wire import encode_report
from ginkgo_data.adapters.kafka.wire_json import plain
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.errors import ConfigurationError
from ginkgo_data.domain.services.quality_history import QualityHistory, history_of
from ginkgo_data.entrypoints.database import database_settings, opened
from ginkgo_data.entrypoints.quality_page import quality_page
from ginkgo_data.entrypoints.quality_table import print_history

DEFAULT_LAST = 20
"""Reports that are read where neither a count nor a day is given."""
MOST = 10_000


@dataclass(frozen=True, slots=True)
class QualityQuestion:
    """Which reports (the `last` ones, none made before `since`), and how to tell them."""

    last: int | None = None
    since: date | None = None
    html: Path | None = None
    as_json: bool = False


def show_quality(question: QualityQuestion, database: str | None, config: Path | None) -> bool:
    """Read, tell, and return whether there was a report.

    Raises `ConfigurationError` where no database is named or the page cannot be written, `StoreUnavailable` where the
    store does not answer.
    """
    settings = database_settings(database, config)
    place, thresholds = settings.clickhouse.url, settings.quality.thresholds
    zone = ZoneInfo(EXCHANGE_ZONE)
    since = None if question.since is None else datetime.combine(question.since, time(), zone)
    last = question.last or (DEFAULT_LAST if since is None else MOST)
    with opened(settings) as container:
        history = history_of(container.quality_repository().reports(last, since))
        read_at = container.clock().now()
    if question.html:
        _write(question.html, quality_page(history, thresholds, place, read_at))
    if question.as_json:
        sys.stdout.write(json.dumps(history_json(history, place), ensure_ascii=False, allow_nan=False) + "\n")
    else:
        console = Console(highlight=False)
        if history.reports:
            print_history(history, thresholds, console)
        else:
            console.print(
                f"no report is stored in {place}" + (f" since {question.since}" if since else ""), markup=False
            )
        if question.html:
            console.print(f"page written: {question.html}", markup=False, soft_wrap=True)
    return bool(history.reports)


def history_json(history: QualityHistory, database: str) -> object:
    """Return the object that ``quality --json`` prints: reports as on the wire, and what they say together.

    What is stored of a second opinion and is not on the wire stands beside the reports.
    """
    return plain(
        {
            "database": database,
            "reports": [encode_report(report) for report in history.reports],
            "latest": [{"series": report.series, "report_id": report.report_id} for report in history.latest],
            "rules": [{**_fields(total.finding), "reports": total.reports} for total in history.rules],
            "worst": history.worst,
            "agreement": [{**_fields(total.figures), "reports": total.reports} for total in history.agreement],
            "second_opinions": [
                {"report_id": report.report_id, **_fields(report.second_opinion)}
                for report in history.reports
                if report.second_opinion is not None
            ],
        }
    )


def _fields(finding: object) -> dict[str, object]:
    fields = plain(finding)
    return fields if isinstance(fields, dict) else {}


def _write(file: Path, page: str) -> None:
    try:
        file.write_text(page, "utf-8")
    except OSError as error:
        raise ConfigurationError(f"--html {file}: cannot be written: {error.strerror}") from error
