# Upstream: adapters.files, entrypoints.{data_sections, file_sources}
# Downstream: adapters.files.formats, domain.model.series, pydantic
# Role: What a file archive is told: where it is, and what its files do not say themselves
"""Configuration of the files source."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ginkgo_data.adapters.files.formats import FORMATS, AmountUnit, Label, VolumeUnit
from ginkgo_data.domain.model.series import Adjust, Frequency

AUTO = "auto"


class FilesConfig(BaseModel):
    """One file or a folder of files, and overrides for all of them.

    An override replaces what the format declares, never what a row says of itself (a column of adjustments
    or frequencies wins). A path that does not exist is refused, and named.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    path: Path
    """A file, or a folder of files."""
    format: str = Field(default=AUTO, json_schema_extra={"enum": [AUTO, *FORMATS]})
    """``auto`` (by the header), or one format for all files."""
    adjust: Adjust | None = None
    """None: from a ``qfq``/``hfq`` in the name of the file or of a folder above it, else not adjusted."""
    frequency: Frequency | None = None
    """For files that say it neither by their format nor in a column. None: from the times of the rows, or the name."""
    volume_unit: VolumeUnit | None = None
    """None: the format's."""
    amount_unit: AmountUnit | None = None
    """None: the format's."""
    label: Label | None = None
    """Whether minute rows are labelled by the start or the end of their bar. None: the format's."""

    @field_validator("path")
    @classmethod
    def _exists(cls, path: Path) -> Path:
        try:
            found = path.expanduser()
            there = found.exists()
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{str(path)!r} cannot be looked at: {getattr(error, 'strerror', error)}") from None
        if not there:
            raise ValueError(f"{str(path)!r} does not exist; allowed: a CSV, Parquet or TDX file, or a folder of them")
        return found

    @field_validator("format")
    @classmethod
    def _known(cls, name: str) -> str:
        allowed = [AUTO, *FORMATS]
        if name not in allowed:
            raise ValueError(f"{name!r} is no file format; allowed: {', '.join(allowed)}")
        return name
