"""Real vendor files: every line is a bar, an absence or a reject, and every value is the source's, in our units.

What is expected is worked out here with the standard library: `csv`, `decimal` and `struct`.
"""

from __future__ import annotations

import csv
import struct
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ginkgo_data.adapters.files.bar_source import FilesBarSource
from ginkgo_data.domain.model.coverage import Cells
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.fetch import Rows
from ginkgo_data.domain.model.series import DAILY, Frequency, Series
from support.archives import columns, files_source, request
from support.real_files import CASES, PADDED, QFQ, Line, fetched, idle, moment, scaled
from support.shared_data import SHARED, needs_shared

Bar = tuple[object, ...]


def found(answer: Rows) -> dict[int, Bar]:
    """Return line -> (code, timestamp, open, high, low, close, volume, amount)."""
    assert answer.places is not None
    names = ["code", "timestamp", "open", "high", "low", "close", "volume", "amount"]
    rows = answer.batch.table.select(names).to_pylist()
    lines = answer.places.table["line"].to_pylist()
    return dict(zip(lines, (tuple(row.values()) for row in rows), strict=True))


@needs_shared
@pytest.mark.parametrize("name", CASES)
def test_every_line_of_a_vendor_file_is_accounted_for(name: str) -> None:
    series, code_column, canonical, day_column, volume, lot, amount, unit = CASES[name]
    path = SHARED / name
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines: list[Line] = list(csv.DictReader(file))
    codes = [canonical(line.get(code_column, code_column)) for line in lines]
    moments = [moment(line[day_column]) for line in lines]
    source = files_source(path)
    assert source.capabilities.series == {series}
    answer = fetched(source, series, [m.date() for m in moments], sorted(set(codes)))
    bars = found(answer)

    expected: dict[int, Bar] = {}
    suspended = set()
    for number, (line, code, when) in enumerate(zip(lines, codes, moments, strict=True), start=2):
        if idle(line):
            suspended.add((code, when.date()))
            continue
        prices = [float(line[price]) for price in ("open", "high", "low", "close")]
        expected[number] = (code, when, *prices, scaled(line[volume], lot), scaled(line.get(amount), unit))
    assert bars == expected
    assert len(suspended) == PADDED.get(name, 0)
    told = {
        (row["code"], row["session"]): row["reason"]
        for row in answer.absences.table.to_pylist()
        if row["reason"] == "suspended"
    }
    assert set(told) == suspended
    assert len(answer.rejects) == 0
    assert len(bars) + len(suspended) + len(answer.rejects) == len(lines)


def records(path: Path) -> list[tuple[int, ...]]:
    content = path.read_bytes()
    return [struct.unpack_from("<IIIIIfII", content, at) for at in range(0, len(content), 32)]


@needs_shared
@pytest.mark.parametrize(("name", "code", "lot"), [("sh600000", "600000.SH", 1), ("sh000001", "000001.SH", 100)])
def test_every_record_of_a_tdx_file_is_a_bar(name: str, code: str, lot: int) -> None:
    path = SHARED / "tdx" / "vipdoc" / "sh" / "lday" / f"{name}.day"
    raw = records(path)
    days = [moment(str(record[0])) for record in raw]
    answer = fetched(files_source(path), DAILY, [day.date() for day in days], [code])
    assert found(answer) == {
        number: (code, day, *(float(Decimal(p) / 100) for p in prices), float(volume * lot), amount)
        for number, (day, (_, *prices, amount, volume, _)) in enumerate(zip(days, raw, strict=True), start=1)
    }
    assert len(answer.absences) == len(answer.rejects) == 0


def volumes(source: FilesBarSource, series: Series, code: str, first: str, last: str) -> Counter[date]:
    """Return the shares traded per session."""
    answer = source.fetch(request([code], first, last, series=series))
    total: Counter[date] = Counter()
    for session, volume in columns(answer, "session", "volume"):
        total[session] += volume  # type: ignore[index, operator]
    return total


@needs_shared
def test_tdx_and_sina_have_the_same_shares_in_every_session() -> None:
    window = ("2020-01-02", "2025-08-05")
    tdx = volumes(files_source(SHARED / "tdx"), DAILY, "600000.SH", *window)
    sina = volumes(files_source(SHARED / "daily" / "sina_qfq_2020_2026.csv"), QFQ, "600000.SH", *window)
    assert len(tdx) == 1355
    assert tdx.keys() == sina.keys()
    assert max(abs(tdx[day] - sina[day]) for day in tdx) <= 2


@needs_shared
def test_lots_of_eastmoney_minutes_and_shares_of_sina_minutes_are_the_same_shares() -> None:
    window = ("2026-02-05", "2026-03-27")
    five = Series(Frequency.MIN5)
    eastmoney = volumes(files_source(SHARED / "minute" / "em_5min_600519.csv"), five, "600519.SH", *window)
    quarter = Series(Frequency.MIN15)
    sina = volumes(files_source(SHARED / "minute" / "sina_15min_600519.csv"), quarter, "600519.SH", *window)
    assert len(eastmoney) == 31
    assert eastmoney.keys() == sina.keys()
    assert max(abs(eastmoney[day] / sina[day] - 1) for day in sina) < 1e-4


@needs_shared
@pytest.mark.parametrize(
    "name",
    [
        "daily/tushare_daily_raw_2019_2020.csv",
        "daily/tushare_fund_daily_510300.SH.csv",
        "tdx/vipdoc/sh/lday/sh600000.day",
    ],
)
def test_what_was_paid_per_share_lies_within_the_prices_of_the_day(name: str) -> None:
    answer = files_source(SHARED / name).fetch(request(None, "1990-01-01", "2026-12-31", wanted=Cells.none()))
    assert isinstance(answer, Rows)
    low, high, volume, amount = (answer.batch.table[n].to_numpy() for n in ("low", "high", "volume", "amount"))
    paid = amount / volume
    assert len(paid) >= 500
    assert ((paid >= low - 0.005) & (paid <= high + 0.005)).all()


@needs_shared
@pytest.mark.parametrize(
    ("name", "message"),
    [
        *(
            (f"minute/tdx_fenshi_1min_{code}_201812_201902.csv", "columns 'open', 'high', 'low', 'close' are missing")
            for code in ("000001.SZ", "000002.SZ", "600000.SH")
        ),
        ("minute/tdx_1min_000001.SH_index_part1.csv", "column 'volume' is missing"),
        ("us/AAPL.csv", "of A-share codes its name names none"),
        ("lists/hikyuu_stock_list.csv", "columns 'datetime', 'open', 'high', 'low', 'close', 'volume' are missing"),
    ],
)
def test_a_file_without_bars_of_our_kind_is_refused_by_name(name: str, message: str) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        _ = files_source(SHARED / name).capabilities
    assert str(caught.value).startswith(Path(name).name)
    assert message in str(caught.value)


@needs_shared
def test_the_whole_folder_is_one_archive() -> None:
    source = files_source(SHARED)
    has = source.capabilities
    minutes = (Frequency.MIN1, Frequency.MIN5, Frequency.MIN15)
    assert has.series == {DAILY, QFQ, *(Series(frequency) for frequency in minutes)}
    assert has.extent == (date(1990, 12, 19), date(2026, 4, 1))
    assert {note.split(" ")[0].split("/")[0] for note in source.notes} == {
        "adj",
        "calendar",
        "corporate_actions",
        "lists",
        "minute",
        "us",
    }
