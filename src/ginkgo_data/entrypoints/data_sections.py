# Upstream: entrypoints.settings
# Downstream: adapters.{files, tushare}, domain.{model, services}, entrypoints.{rule_settings, sections}, pydantic
# Role: Sections of the configuration about data and what is said of it; each checked, shares and sizes in range
"""Sections sources, quality, commands and logging."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.tushare.config import TushareConfig
from ginkgo_data.domain.model.quality import QualityThresholds
from ginkgo_data.domain.services.rule_set import RuleSet
from ginkgo_data.domain.services.rule_tuning import configured
from ginkgo_data.entrypoints.rule_settings import Rules
from ginkgo_data.entrypoints.sections import YEAR, Names, Section

Share = Annotated[float, Field(ge=0, le=1)]
SourceName = Literal["tushare", "files"]
AdjustmentSourceName = Literal["tushare"]
TickSourceName = Literal["files"]


class SourceSettings(Section):
    """Where each dataset comes from, the first source first, and how each vendor is reached."""

    bars: Annotated[tuple[SourceName, ...], Names] = ("tushare",)
    """Source of bars; exactly one in this version."""
    reference: Annotated[tuple[SourceName, ...] | None, Names] = None
    """Source of securities and sessions; the same as `bars` when left out."""
    adjustments: Annotated[tuple[AdjustmentSourceName, ...] | None, Names] = None
    """Source of adjustment factors; when left out the same as `bars` where that has them; an empty list: none."""
    ticks: Annotated[tuple[TickSourceName, ...], Names] = ()
    """Source of ticks; none when left out."""
    tushare: TushareConfig = TushareConfig()
    files: FilesConfig | None = None

    @model_validator(mode="after")
    def _named_sources_are_described(self) -> SourceSettings:
        for key, names in (("bars", self.bars), ("reference", self.reference or self.bars)):
            if len(names) != 1:
                raise ValueError(f"{key} must name exactly one source in this version, found {list(names)}")
            if "files" in names and self.files is None:
                raise ValueError(f"{key} names the source files, but sources.files.path is not set")
        for key, few in (("adjustments", self.adjustments or ()), ("ticks", self.ticks)):
            if len(few) > 1:
                raise ValueError(f"{key} must name at most one source in this version, found {list(few)}")
        if self.ticks and self.files is None:
            raise ValueError("ticks names the source files, but sources.files.path is not set")
        return self

    @property
    def adjustment_source(self) -> str:
        """The source of adjustment factors, ``none`` where there is none."""
        if self.adjustments is None:
            return "tushare" if self.bars[0] == "tushare" else "none"
        return self.adjustments[0] if self.adjustments else "none"

    @property
    def tick_source(self) -> str:
        """The source of ticks, ``none`` where there is none."""
        return self.ticks[0] if self.ticks else "none"


def _nobody(value: object) -> object:
    # The environment cannot say nothing: there an empty variable is none at all.
    return None if value in ("", "none") else value


class SecondOpinionSettings(Section):
    """Another source, asked after each job of bars about a few of them."""

    source: Annotated[SourceName | None, BeforeValidator(_nobody)] = None
    """Who is asked; nobody when left out, empty or ``none``. It must be configured, and another than the first of
    ``sources.bars``."""
    cells: int = Field(default=10, ge=1, le=100)
    """Sessions of a code that are drawn by chance, and at most as many again because they look strange: what a rule has
    flagged, the largest moves, the oddest volumes."""


class QualitySettings(Section):
    """When a report becomes an alert, and how long its repeats are silent."""

    enabled: bool = True
    """Whether reports of jobs and alerts about data are told, and freshness is watched. Rows are checked, rejected rows
    kept and reports stored in any case."""
    missing_threshold_warning: Share = 0.05
    """Share of the due sessions without explanation above which there is a warning."""
    missing_threshold_error: Share = 0.20
    """The same, for an error."""
    delay_threshold_warning: float = Field(default=5, ge=0, le=YEAR)
    """Minutes after the close above which the newest session's absence is a warning."""
    delay_threshold_error: float = Field(default=10, ge=0, le=YEAR)
    """The same, for an error."""
    alert_cooldown: float = Field(default=3600, ge=0, le=YEAR)
    """Seconds for which the repeat of an alert is silent, in the whole fleet."""
    freshness_interval: float = Field(default=300, gt=0, le=YEAR)
    """Seconds between two looks at whether each dataset has its newest session, command or no command."""
    freshness_grace: float = Field(default=120, ge=0, le=10_080)
    """Minutes from the close of a session (15:00) to its publication by the vendor; Tushare has daily bars by 17:00."""
    rules: Rules = Field(default_factory=dict)
    """Rules of quality that are silenced or tuned, by id: ``enabled``, ``severity``, ``verdict``, a rule's own numbers,
    and the same for one frequency (``1m: {enabled: false}``). docs/rules.md lists them, and so does `rules list`."""

    second_opinion: SecondOpinionSettings = SecondOpinionSettings()

    @model_validator(mode="after")
    def _warnings_come_first(self) -> QualitySettings:
        for name in ("missing", "delay"):
            warning, error = getattr(self, f"{name}_threshold_warning"), getattr(self, f"{name}_threshold_error")
            if warning >= error:
                raise ValueError(f"{name}_threshold_warning ({warning:g}) must be below the error one ({error:g})")
        return self

    @property
    def thresholds(self) -> QualityThresholds:
        """The thresholds as the domain takes them."""
        return QualityThresholds(
            self.missing_threshold_warning,
            self.missing_threshold_error,
            self.delay_threshold_warning,
            self.delay_threshold_error,
        )

    @property
    def rule_set(self) -> RuleSet:
        """The rules as the domain takes them."""
        return configured(self.rules)


class CommandSettings(Section):
    """How commands are understood."""

    bare_bar_snapshot: Literal["all", "ignore"] = "all"
    """A snapshot that names no codes: of all securities (incremental), or ignored."""


class LoggingSettings(Section):
    """The log of `worker start`, on standard error and, where one is named, in a file."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """What is logged at least."""
    format: Literal["json", "console"] = "json"
    """``json``: one object a line, with time, level, logger, message, node_id and what the line is about."""
    file: Path | None = None
    """A file that is written beside standard error, its folder made where it is missing; ``{node_id}`` and ``{host}``
    are replaced. Two workers must not share one."""
    max_bytes: int = Field(default=10_485_760, ge=1024, le=1 << 40)
    """Size at which the file is put aside and a new one begun."""
    backup_count: int = Field(default=5, ge=1, le=1000)
    """Files put aside that are kept."""
    slow_step_seconds: float = Field(default=10.0, gt=0, le=YEAR)
    """A step of the work (a query, an insert, a vendor's call) that takes so long is logged as slow."""
