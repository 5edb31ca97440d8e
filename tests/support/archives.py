"""File archives for tests: written in the shapes vendors use, and asked for everything they hold."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from ginkgo_data.adapters.files.bar_source import FilesBarSource
from ginkgo_data.adapters.files.config import FilesConfig
from ginkgo_data.domain.model.coverage import Absences, Cells
from ginkgo_data.domain.model.fetch import BarAnswer, FetchRequest, ProvenEmpty, Rows
from ginkgo_data.domain.model.quality import Rejects
from ginkgo_data.domain.model.series import DAILY, Series

VERSION = 1_700_000_000_000_000


def written(path: Path, *lines: str, encoding: str = "utf-8", end: str = "\n") -> Path:
    """Write `lines` to `path` (its folders are made) and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return path


def files_source(path: Path, **overrides: object) -> FilesBarSource:
    """Return a source on `path`."""
    return FilesBarSource(FilesConfig.model_validate({"path": path, **overrides}))


def request(
    codes: Sequence[str] | None,
    first: str,
    last: str | None = None,
    *,
    series: Series = DAILY,
    version: int = VERSION,
    wanted: Cells | None = None,
) -> FetchRequest:
    """Return a request that wants every weekday of its range for each of its codes."""
    begin, end = np.datetime64(first), np.datetime64(last or first)
    days = np.arange(begin, end + 1)
    cells = wanted if wanted is not None else Cells.cross(codes or (), days[np.is_busday(days)])
    asked = None if codes is None else tuple(codes)
    return FetchRequest(series, asked, begin.item(), end.item(), cells, version)


def everything(source: FilesBarSource, series: Series = DAILY, *codes: str) -> BarAnswer:
    """Ask for all that the archive has of `codes` (none: the codes its securities would have)."""
    extent = source.capabilities.extent or (date(2024, 1, 8), date(2024, 1, 12))
    return source.fetch(request(codes or None, str(extent[0]), str(extent[1]), series=series))


def columns(answer: BarAnswer, *names: str) -> list[tuple[object, ...]]:
    """Return some columns of an answer's bars, row by row; times as exchange-local texts."""
    if not isinstance(answer, Rows):
        assert isinstance(answer, ProvenEmpty), answer
        return []
    table = answer.batch.table
    found = []
    for name in names:
        values = table[name].to_pylist()
        found.append([f"{value:%Y-%m-%d %H:%M}" for value in values] if name == "timestamp" else values)
    return list(zip(*found, strict=True))


def rejected(answer: BarAnswer) -> list[tuple[str, str, str, str]]:
    """Return rule, field, value and place of each reject."""
    rows = rejects_of(answer).table.to_pylist()
    return [(row["rule"], row["field"], row["value"], row["place"]) for row in rows]


def rejects_of(answer: BarAnswer) -> Rejects:
    assert isinstance(answer, Rows | ProvenEmpty), answer
    return answer.rejects


def absences_of(answer: BarAnswer) -> Absences:
    assert isinstance(answer, Rows | ProvenEmpty), answer
    return answer.absences


def absent(answer: BarAnswer) -> dict[tuple[str, str], tuple[str, str]]:
    """Return (code, session) -> (reason, evidence)."""
    rows = absences_of(answer).table.to_pylist()
    return {(row["code"], str(row["session"])): (row["reason"], row["evidence"]) for row in rows}


def day_record(
    day: int, prices: Sequence[int], amount: float = 1000.0, volume: int = 100, reserved: int = 65536
) -> bytes:
    """Return one record of a .day file; prices are the integers that stand in it."""
    return struct.pack("<IIIIIfII", day, *prices, amount, volume, reserved)


def minute_record(day: str, clock: str, prices: Sequence[float], amount: float = 1000.0, volume: int = 100) -> bytes:
    """Return one record of a .lc1 or .lc5 file."""
    year, month, dom = (int(part) for part in day.split("-"))
    hour, minute = (int(part) for part in clock.split(":"))
    packed = (year - 2004) * 2048 + month * 100 + dom
    return struct.pack("<HHfffffII", packed, hour * 60 + minute, *prices, amount, volume, 0)
