# Upstream: entrypoints.file_sources
# Downstream: adapters.files, domain.model.{bars, errors, fetch, quality, series}, numpy, pyarrow
# Role: Bars from an archive of files
"""The files source: CSV, Parquet and TDX archives behind the port of a vendor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ginkgo_data.adapters.files.absences import IDLE_WORDS, absences_of, idle_sessions
from ginkgo_data.adapters.files.archive import FileArchive
from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.files.faults import FAULT_SCHEMA, rejects_of, zoned
from ginkgo_data.adapters.files.keys import Wanted
from ginkgo_data.adapters.files.rows import SOURCE, Sheet
from ginkgo_data.adapters.files.scanning import FileEntry
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.errors import SchemaMismatch, SourceUnavailable
from ginkgo_data.domain.model.fetch import (
    PLACE_SCHEMA,
    BarAnswer,
    FetchRequest,
    Places,
    ProvenEmpty,
    Rows,
    SourceCapabilities,
    Unknown,
    UnknownReason,
)
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.series import Frequency

# Several answers are in memory at once, of about a hundred bytes a row and as much again while one is made.
_ROW_LIMIT = 200_000
_CODES_PER_CALL = 10_000


class FilesBarSource:
    """Bars of an archive, as its files give them, in our units.

    What cannot be read as a row is among the answer's rejects: by its code and session where it has them, else
    with every answer that its file takes part in (its content hash makes the repetition harmless). A row on a day
    that can be no session comes with every answer about its code, for validation to reject it. An archive is
    complete in itself: a wanted cell without a row is an absence.
    """

    def __init__(self, config: FilesConfig, archive: FileArchive | None = None) -> None:
        self._archive = archive or FileArchive(config)

    @property
    def capabilities(self) -> SourceCapabilities:
        """What the archive holds now: new and changed files are looked for.

        Raises `SchemaMismatch` when nothing there can be read as bars, `SourceUnavailable` when the archive
        cannot be read at all.
        """
        entries = self._archive.entries(refresh=True)
        spans = [span for entry in entries for codes in entry.spans.values() for span in codes.values()]
        return SourceCapabilities(
            name=SOURCE,
            series=frozenset(series for entry in entries for series in entry.spans),
            row_limit=_ROW_LIMIT,
            codes_per_call=_CODES_PER_CALL,
            by_session=False,
            extent=(min(first for first, _ in spans), max(last for _, last in spans)) if spans else None,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Files of the folder that were passed over, each with the reason."""
        return self._archive.notes

    def fetch(self, request: FetchRequest) -> BarAnswer:
        """Answer `request`; a file that is gone or no longer readable makes the answer `Unknown`."""
        wanted = Wanted(
            series=request.series,
            codes=None if request.codes is None else tuple(sorted(request.codes)),
            first=np.datetime64(request.first, "D"),
            last=np.datetime64(request.last, "D"),
        )
        try:
            if not any(request.series in entry.spans for entry in self._archive.entries()):
                return Unknown(UnknownReason.REFUSED, f"{self._archive.name} has no bars of {request.series}")
            files = [entry for entry in self._archive.holding(request.series, request.codes) if _meets(entry, wanted)]
            parts = [_Part(*self._archive.sheet(entry, wanted)) for entry in files]
        except SourceUnavailable as error:
            return Unknown(UnknownReason.UNREACHABLE, str(error))
        except SchemaMismatch as error:
            return Unknown(UnknownReason.MALFORMED_REPLY, str(error))
        return _answer(request, parts, self._without(request))

    def _without(self, request: FetchRequest) -> dict[str, str]:
        """Return code -> what is said of a wanted cell without a row."""
        holders: dict[str, list[str]] = {}
        asked = set(request.wanted.codes)
        for entry in self._archive.holding(request.series, request.wanted.codes):
            for code in entry.spans.get(request.series, {}).keys() & asked:
                holders.setdefault(code, []).append(entry.layout.origin)
        nowhere = [f"{self._archive.name}, where no file has the code,"]
        named = {code: holders.get(code, nowhere) for code in request.wanted.codes}
        return {
            code: f"{files[0]} has no row"
            if len(files) == 1
            else f"none of {len(files)} files ({files[0]} …) has a row"
            for code, files in named.items()
        }


@dataclass(frozen=True, eq=False)
class _Part:
    """What one file contributes."""

    entry: FileEntry
    sheet: Sheet

    def rows(self) -> pa.Table:
        """Return the rows, with their origin and what they are evidence of if they are padding."""
        return self._told(self.sheet.rows, IDLE_WORDS.get(self.entry.layout.form.padding, ""))

    def faults(self) -> pa.Table:
        """Return the faults, with their origin and what they are evidence of."""
        return self._told(self.sheet.faults, "could not be read")

    def _told(self, table: pa.Table, words: str) -> pa.Table:
        for name, text in (("origin", self.entry.layout.origin), ("words", words)):
            indices = pa.array(np.zeros(len(table), np.int32))
            table = table.append_column(name, pa.DictionaryArray.from_arrays(indices, pa.array([text])))
        return table


def _meets(entry: FileEntry, wanted: Wanted) -> bool:
    """Whether a file may have something for `wanted`."""
    if entry.loose:
        return True
    spans, strays = entry.spans.get(wanted.series, {}), entry.strays.get(wanted.series, frozenset())
    if strays and (wanted.codes is None or not strays.isdisjoint(wanted.codes)):
        return True
    codes = spans.keys() if wanted.codes is None else spans.keys() & set(wanted.codes)
    return any(spans[code][0] <= wanted.last and spans[code][1] >= wanted.first for code in codes)


def _answer(request: FetchRequest, parts: list[_Part], without: dict[str, str]) -> BarAnswer:
    if not parts:
        nothing = FAULT_SCHEMA.empty_table().append_column("evidence", pa.array([], pa.string()))
        return ProvenEmpty(absences_of(request.wanted, nothing, nothing, without, SOURCE, request.version))
    rows = pa.concat_tables([part.rows() for part in parts]).unify_dictionaries()
    faults = pa.concat_tables([part.faults() for part in parts]).unify_dictionaries()
    rejects = Rejects.concat(
        rejects_of(part.sheet.faults, part.entry.layout.origin, request.series, SOURCE, request.version)
        for part in parts
        if len(part.sheet.faults)
    )
    padding = idle_sessions(rows, request.series.frequency is Frequency.DAY)
    traded = rows.filter(pa.array(~padding)) if padding.any() else rows
    columns = {name: traded[name] for name in traded.column_names}
    columns["timestamp"] = zoned(columns.pop("wall"))
    columns["version"] = pa.repeat(pa.scalar(request.version, pa.uint64()), len(traded))
    batch = BarBatch.of(pa.table(columns), request.series)
    idle = _evidence(rows.filter(pa.array(padding)))
    absences = absences_of(request.unanswered(batch), idle, _evidence(faults), without, SOURCE, request.version)
    if not len(batch):
        return ProvenEmpty(absences, rejects)
    return Rows(batch, absences, rejects, Places(traded.select(PLACE_SCHEMA.names).cast(PLACE_SCHEMA)))


def _evidence(table: pa.Table) -> pa.Table:
    """Return code, session, and ``file:line words`` of each row."""
    place = pc.binary_join_element_wise(table["origin"].cast(pa.string()), table["line"].cast(pa.string()), ":")
    evidence = pc.binary_join_element_wise(place, table["words"].cast(pa.string()), " ")
    return pa.table({"code": table["code"], "session": table["session"], "evidence": evidence})
