# Upstream: entrypoints.file_sources
# Downstream: adapters.files.{archive, config, rows, tick_source}, domain.model, pyarrow
# Role: Securities seen in an archive of files
"""An archive names no securities, but it shows which codes had bars or ticks, and since when."""

from __future__ import annotations

import logging
from datetime import date

import pyarrow as pa

from ginkgo_data.adapters.files.archive import FileArchive
from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.adapters.files.rows import SOURCE
from ginkgo_data.adapters.files.tick_source import FilesTickSource
from ginkgo_data.domain.model.codes import EXCHANGES
from ginkgo_data.domain.model.errors import SchemaMismatch, SourceUnavailable
from ginkgo_data.domain.model.fetch import Answer, ProvenEmpty, Rows, Unknown, UnknownReason
from ginkgo_data.domain.model.reference import Securities, SessionDays

OBSERVED = "O"
_LOG = logging.getLogger(__name__)


class FilesReferenceSource:
    """Codes of an archive as securities: status observed, listed since their first session there, without a name.

    With `ticks`, codes that have nothing but ticks are among them.
    """

    def __init__(
        self, config: FilesConfig, archive: FileArchive | None = None, ticks: FilesTickSource | None = None
    ) -> None:
        self._archive = archive or FileArchive(config)
        self._ticks = ticks

    def securities(self, market: str | None, version: int) -> Answer[Securities]:
        """Return the codes seen; the markets that an archive knows are the exchanges SH, SZ and BJ."""
        try:
            seen = self._seen()
        except SourceUnavailable as error:
            return Unknown(UnknownReason.UNREACHABLE, str(error))
        except SchemaMismatch as error:
            return Unknown(UnknownReason.MALFORMED_REPLY, str(error))
        first: dict[str, date] = {}
        for code, begin in seen:
            if market is None or code.endswith(f".{market.upper()}"):
                first[code] = min(begin, first.get(code, begin))
        if not first:
            allowed = ", ".join(EXCHANGES)
            asked = "" if market is None else f" of market {market!r} (known markets: {allowed})"
            return Unknown(UnknownReason.EMPTY_WITHOUT_EVIDENCE, f"{self._archive.name} has no codes{asked}")
        return Rows(_securities(first, version))

    def _seen(self) -> list[tuple[str, date]]:
        """Return codes with a first session of theirs, a code as often as it was met."""
        ticks: list[tuple[str, date]] = []
        if self._ticks is not None:
            try:
                ticks = list(self._ticks.codes().items())
            except SchemaMismatch as error:
                _LOG.debug("no ticks: %s", error)
        try:
            entries = self._archive.entries(refresh=True)
        except SchemaMismatch:
            if not ticks:
                raise
            return ticks
        spans = [codes for entry in entries for codes in entry.spans.values()]
        return ticks + [(code, begin) for codes in spans for code, (begin, _) in codes.items()]

    def session_days(self, first: date, last: date, version: int) -> Answer[SessionDays]:
        """Return that an archive knows no calendar."""
        return ProvenEmpty()


def _securities(first: dict[str, date], version: int) -> Securities:
    codes = sorted(first)
    empty = pa.repeat("", len(codes))
    return Securities.of(
        pa.table(
            {
                "code": pa.array(codes, pa.string()),
                "name": empty,
                "market": empty,
                "industry": empty,
                "list_date": pa.array([first[code] for code in codes], pa.date32()),
                "delist_date": pa.nulls(len(codes), pa.date32()),
                "status": pa.repeat(OBSERVED, len(codes)),
                "source": pa.repeat(SOURCE, len(codes)),
                "version": pa.repeat(pa.scalar(version, pa.uint64()), len(codes)),
            }
        )
    )
