# Upstream: adapters.files
# Downstream: adapters.files.{config, formats, names, tables, tdx}, domain.model.{errors, series}
# Role: What one file means: its format, columns, code, series, units and labels, all settled
"""A file's layout is settled once, from its header, its name, and the configuration's overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ginkgo_data.adapters.files.config import AUTO, FilesConfig
from ginkgo_data.adapters.files.formats import TDX_FORMATS, AmountUnit, Clock, FileFormat, Label, VolumeUnit, recognise
from ginkgo_data.adapters.files.names import adjustment_in_path, code_in_name
from ginkgo_data.adapters.files.tables import Dialect, dialect_of
from ginkgo_data.adapters.files.tdx import is_index
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.series import Adjust, Frequency


@dataclass(frozen=True)
class Layout:
    """How to read one file."""

    origin: str
    """The file's name inside the archive, as it stands in messages and places."""
    form: FileFormat
    columns: Mapping[str, str]
    """Role -> column."""
    code: str | None
    """The code that the file's name names; None: there is a column."""
    adjust: Adjust
    frequency: Frequency | None
    """None: a column says it, or only the times of the rows can tell."""
    volume_unit: VolumeUnit
    amount_unit: AmountUnit
    label: Label
    dialect: Dialect | None
    """None: a TDX binary."""


_TDX_MINUTES = {"tdx_lc1": Frequency.MIN1, "tdx_lc5": Frequency.MIN5}


def layout_of(path: Path, config: FilesConfig) -> Layout:
    """Settle the layout of `path`, a file of the archive at `config.path`.

    Raises `SchemaMismatch` naming the file, the columns found and what the nearest formats lack, or why no
    code can be told; and the errors of the operating system and of pyarrow as they are.
    """
    root = config.path
    inside = PurePath(path.name) if path == root else path.relative_to(root)
    adjust = config.adjust or adjustment_in_path(PurePath(path.name) if path == root else root.name / inside)
    dialect = None
    if path.suffix in TDX_FORMATS:
        form = TDX_FORMATS[path.suffix]
        columns = {role: words[0] for role, words in form.columns.items()}
    else:
        dialect = dialect_of(path)
        form = _form(inside.as_posix(), dialect.header, config.format)
        columns = form.fit(dialect.header)
    code = None if "code" in columns else code_in_name(inside)
    index = form.name == "tdx_day" and code is not None and is_index(code)
    return Layout(
        origin=inside.as_posix(),
        form=form,
        columns=columns,
        code=code,
        adjust=adjust or Adjust.NONE,
        frequency=Frequency.DAY if form.clock is Clock.SESSION else _TDX_MINUTES.get(form.name, config.frequency),
        volume_unit=config.volume_unit or ("lots" if index else form.volume),
        amount_unit=config.amount_unit or form.amount,
        label=config.label or form.label,
        dialect=dialect,
    )


def _form(name: str, header: Sequence[str], wanted: str) -> FileFormat:
    form = recognise(header, None if wanted == AUTO else wanted)
    if isinstance(form, str):
        found = ", ".join(header)
        raise SchemaMismatch(f"{name} fits no format of bars: {form}; columns found: {found}")
    return form
