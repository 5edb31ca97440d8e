"""Our own reader of TDX binaries, on files made here record by record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ginkgo_data.domain.model.fetch import Rows
from ginkgo_data.domain.model.series import DAILY, Frequency, Series
from support.archives import columns, day_record, everything, files_source, minute_record, rejected
from support.bars import MINUTES_1, MINUTES_5

STOCK = (2950, 2980, 2700, 2775)


def vipdoc(root: Path, name: str, *records: bytes) -> Path:
    folder = {".day": "lday", ".lc1": "minline", ".lc5": "fzline"}[Path(name).suffix]
    path = root / "vipdoc" / name[:2] / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(records))
    return path


def test_a_day_file_of_a_stock_is_in_cents_shares_and_yuan(tmp_path: Path) -> None:
    path = vipdoc(tmp_path, "sh600000.day", day_record(19991110, STOCK, 4859102208.0, 174085000, 1000))
    answer = everything(files_source(path), DAILY, "600000.SH")
    assert columns(answer, "code", "timestamp") == [("600000.SH", "1999-11-10 00:00")]
    assert columns(answer, "open", "high", "low", "close") == [(29.5, 29.8, 27.0, 27.75)]
    assert columns(answer, "volume", "amount", "pre_close") == [(174085000.0, 4859102208.0, None)]
    assert isinstance(answer, Rows)
    assert answer.places is not None
    assert answer.places.text(0) == "sh600000.day:1"


@pytest.mark.parametrize(
    ("name", "code", "close"),
    [
        ("sh600000.day", "600000.SH", 46.95),
        ("sz000001.day", "000001.SZ", 46.95),
        ("sz300750.day", "300750.SZ", 46.95),
        ("sh688001.day", "688001.SH", 46.95),
        ("bj430047.day", "430047.BJ", 46.95),
        ("sh000001.day", "000001.SH", 46.95),
        ("sz399001.day", "399001.SZ", 46.95),
        ("sh510300.day", "510300.SH", 4.695),
        ("sz159915.day", "159915.SZ", 4.695),
        ("sh900901.day", "900901.SH", 4.695),
        ("sz128001.day", "128001.SZ", 4.695),
    ],
)
def test_funds_bonds_and_shanghai_b_shares_have_three_decimals(
    tmp_path: Path, name: str, code: str, close: float
) -> None:
    path = vipdoc(tmp_path, name, day_record(20240108, (4695,) * 4))
    assert columns(everything(files_source(path), DAILY, code), "close") == [(close,)]


def test_the_volume_of_an_index_is_in_lots(tmp_path: Path) -> None:
    record = day_record(20250805, (358881, 361760, 358697, 361760), 656382492672.0, 499797780, 0xC3640005)
    index = everything(files_source(vipdoc(tmp_path, "sh000001.day", record)), DAILY, "000001.SH")
    stock = everything(files_source(vipdoc(tmp_path, "sh600000.day", record)), DAILY, "600000.SH")
    assert columns(index, "volume") == [(49979778000.0,)]
    # Of a stock the same bytes mean a volume beyond 32 bits: lots, and the odd shares in the last byte.
    assert columns(stock, "volume") == [(49979778005.0,)]


def test_the_reserved_bytes_of_a_stock_mean_nothing_else(tmp_path: Path) -> None:
    records = [day_record(20240108 + i, STOCK, 1.0, 100, rest) for i, rest in enumerate((0, 1000, 65536, 0xC3650001))]
    path = vipdoc(tmp_path, "sh600000.day", *records)
    assert columns(everything(files_source(path), DAILY, "600000.SH"), "volume") == [(100.0,)] * 4


def test_minute_files_are_labelled_by_the_end_and_have_shares(tmp_path: Path) -> None:
    prices = (10.61, 10.64, 10.57, 10.6)
    records = [minute_record("2018-12-03", clock, prices, 88474000.0, 8339100) for clock in ("09:31", "15:00")]
    one = files_source(vipdoc(tmp_path, "sz000001.lc1", *records))
    five = files_source(vipdoc(tmp_path, "sz000001.lc5", *records))
    for source, series in ((one, MINUTES_1), (five, MINUTES_5)):
        assert source.capabilities.series == {series}
        answer = everything(source, series, "000001.SZ")
        assert columns(answer, "timestamp") == [("2018-12-03 09:31",), ("2018-12-03 15:00",)]
        assert columns(answer, "open", "high", "low", "close", "volume", "amount")[0] == (
            *prices,
            8339100.0,
            88474000.0,
        )


@pytest.mark.parametrize(
    ("name", "code", "prices"),
    [
        ("sh600519.lc1", "600519.SH", (1700.01, 1799.99, 1650.07, 1658.13)),
        ("sh510300.lc1", "510300.SH", (4.695, 4.713, 4.642, 4.687)),
    ],
)
def test_prices_of_32_bits_become_the_prices_that_were_traded(
    tmp_path: Path, name: str, code: str, prices: tuple[float, ...]
) -> None:
    path = vipdoc(tmp_path, name, minute_record("2024-01-08", "09:31", prices))
    assert columns(everything(files_source(path), MINUTES_1, code), "open", "high", "low", "close") == [prices]


def test_a_record_of_an_impossible_day_is_rejected_with_its_number(tmp_path: Path) -> None:
    day = vipdoc(
        tmp_path, "sh600000.day", day_record(20240108, STOCK), day_record(20241301, STOCK), day_record(0, STOCK)
    )
    minute = vipdoc(tmp_path, "sh600000.lc1", minute_record("2024-13-01", "09:31", (1, 1, 1, 1)))
    assert rejected(everything(files_source(day), DAILY, "600000.SH")) == [
        ("unreadable_date", "date", "20241301", "sh600000.day:2"),
        ("unreadable_date", "date", "00000000", "sh600000.day:3"),
    ]
    assert rejected(everything(files_source(minute), MINUTES_1, "600000.SH")) == [
        ("unreadable_date", "date", "202413010931", "sh600000.lc1:1")
    ]


def test_bytes_left_over_are_rejected_and_the_whole_records_kept(tmp_path: Path) -> None:
    path = vipdoc(tmp_path, "sh600000.day", day_record(20240108, STOCK), day_record(20240109, STOCK)[:17])
    answer = everything(files_source(path), DAILY, "600000.SH")
    assert len(columns(answer, "session")) == 1
    assert [(rule, value, place) for rule, _, value, place in rejected(answer)] == [
        ("unreadable_row", "a record of 17 bytes instead of 32", "sh600000.day:2")
    ]


def test_a_price_that_is_no_number_stays_what_it_is(tmp_path: Path) -> None:
    path = vipdoc(tmp_path, "sh600000.lc1", minute_record("2024-01-08", "09:31", (float("nan"), 1, 1, 1)))
    ((opened,),) = columns(everything(files_source(path), MINUTES_1, "600000.SH"), "open")
    assert np.isnan(opened)


def test_a_vipdoc_folder_is_one_archive(tmp_path: Path) -> None:
    vipdoc(tmp_path, "sh600000.day", day_record(20240108, STOCK))
    vipdoc(tmp_path, "sz000001.day", day_record(20240109, STOCK))
    vipdoc(tmp_path, "sz000001.lc5", minute_record("2024-01-08", "09:35", (1, 1, 1, 1)))
    source = files_source(tmp_path / "vipdoc")
    assert source.capabilities.series == {DAILY, Series(Frequency.MIN5)}
    answer = everything(source, DAILY, "000001.SZ", "600000.SH")
    assert sorted(columns(answer, "code", "timestamp")) == [
        ("000001.SZ", "2024-01-09 00:00"),
        ("600000.SH", "2024-01-08 00:00"),
    ]
