# Upstream: adapters.files.{layout, lengths, tick_rows}
# Downstream: domain.model.{codes, errors, series}
# Role: What the names of files and folders say: code, adjustment, length of a bar
"""Reading a path's name, for what a file's columns leave out."""

from __future__ import annotations

import re
from pathlib import PurePath

from ginkgo_data.domain.model.codes import canonical_code, code_of_symbol
from ginkgo_data.domain.model.errors import MalformedCommand, SchemaMismatch
from ginkgo_data.domain.model.series import Adjust, Frequency

_QUALIFIED = re.compile(
    r"(?<![0-9a-z])(?:(sh|sz|bj)[._#-]?(\d{6})|(\d{6})[._-]?(sh|sz|bj|ss|xshg|xshe))(?![0-9a-z])", re.IGNORECASE
)
_BARE = re.compile(r"(?<!\d)\d{6}(?!\d)")
_YEAR_AND_MONTH = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])")
_ADJUSTED = re.compile(r"(?<![a-z])(qfq|hfq)(?![a-z])|(前复权|后复权)", re.IGNORECASE)
_MINUTES = re.compile(r"(?<!\d)(60|30|15|5|1)[_-]?(?:minutes?|mins?|m|分钟)(?![a-z])", re.IGNORECASE)
_ADJUSTMENTS = {"qfq": Adjust.QFQ, "前复权": Adjust.QFQ, "hfq": Adjust.HFQ, "后复权": Adjust.HFQ}


def code_in_name(path: PurePath) -> str:
    """Return the one A-share code that a file's name names (``sh600000.day``, ``600519.csv``, ``em_600519_2023.csv``).

    A qualified code is preferred to a bare symbol, a symbol to a year and month (``201812``). Raises
    `SchemaMismatch` when there is none or more than one.
    """
    name = path.name
    qualified = {canonical_code("".join(part for part in m.groups() if part)) for m in _QUALIFIED.finditer(name)}
    if qualified:
        return _only(qualified, path)
    symbols = _BARE.findall(name)
    likely = [symbol for symbol in symbols if not _YEAR_AND_MONTH.fullmatch(symbol)] or symbols
    return _only({code for code in map(_stock, likely) if code is not None}, path)


def _stock(symbol: str) -> str | None:
    try:
        return code_of_symbol(symbol)
    except MalformedCommand:
        return None


def _only(codes: set[str], path: PurePath) -> str:
    if len(codes) == 1:
        return codes.pop()
    found = f"several ({', '.join(sorted(codes))})" if codes else "none"
    raise SchemaMismatch(
        f"{path.as_posix()} has no column of codes, and of A-share codes its name names {found}; "
        "allowed: one, as in 600519.csv or sh600519.csv, or a column code, ts_code or symbol"
    )


def adjustment_in_path(path: PurePath) -> Adjust | None:
    """Return the adjustment that the file's name says (``qfq``, ``hfq``), else that of the nearest folder above it."""
    for part in reversed(path.parts):
        words = [word for match in _ADJUSTED.finditer(part) for word in match.groups() if word]
        if words:
            return _ADJUSTMENTS[words[-1].lower()]
    return None


def frequency_in_name(name: str) -> Frequency | None:
    """Return the length of a bar that a file's name names (``1min``, ``5m``, ``15分钟``)."""
    found = _MINUTES.search(name)
    return Frequency(f"{found.group(1)}m") if found else None
