"""What each vendor's file means: columns, units, labels, padding, and what names of files say."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from ginkgo_data.adapters.files.bar_source import FilesBarSource
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.errors import SchemaMismatch
from ginkgo_data.domain.model.fetch import ProvenEmpty, Rows
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from support.archives import absent, columns, everything, files_source, rejected, written
from support.bars import MINUTES_5, bars

A = "000001.SZ"
MIN1, MIN15 = Series(Frequency.MIN1), Series(Frequency.MIN15)
MORNING = ("09:31", "09:32", "09:33")


def only_series(source: FilesBarSource) -> Series:
    (series,) = source.capabilities.series
    return series


def test_tushare_daily_is_in_lots_and_thousand_yuan(tmp_path: Path) -> None:
    path = written(
        tmp_path / "daily.csv",
        "ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount",
        "000001.SZ,20190102,9.39,9.42,9.16,9.19,9.38,-0.19,-2.0256,539386.32,498695.109",
    )
    answer = everything(files_source(path), DAILY, A)
    assert columns(answer, "code", "session", "timestamp") == [(A, date(2019, 1, 2), "2019-01-02 00:00")]
    assert columns(answer, "open", "high", "low", "close", "pre_close") == [(9.39, 9.42, 9.16, 9.19, 9.38)]
    assert columns(answer, "volume", "amount", "source") == [(53938632.0, 498695109.0, "files")]


@pytest.mark.parametrize(
    ("thousands", "yuan"),
    [("1447.607", 1447607.0), ("4565387.8464", 4565387846.4), ("0.00101", 1.01), ("-2.5", -2500.0), ("2.3e3", 2.3e6)],
)
def test_an_amount_in_thousands_is_exact_to_the_fen(tmp_path: Path, thousands: str, yuan: float) -> None:
    header = "ts_code,trade_date,open,high,low,close,vol,amount"
    path = written(tmp_path / "a.csv", header, f"{A},20240108,1,1,1,1,0.29,{thousands}")
    assert columns(everything(files_source(path), DAILY, A), "volume", "amount") == [(29.0, yuan)]


def test_a_tushare_file_of_one_code_takes_it_from_its_name(tmp_path: Path) -> None:
    path = written(tmp_path / "600519.csv", "trade_date,open,high,low,close,vol", "20240108,1,2,1,2,3.5")
    assert columns(everything(files_source(path), DAILY, "600519.SH"), "code", "volume") == [("600519.SH", 350.0)]


def test_tushare_minutes_are_in_shares_and_labelled_by_their_end(tmp_path: Path) -> None:
    path = written(
        tmp_path / "mins.csv",
        "ts_code,trade_time,open,close,high,low,vol,amount",
        *(f"{A},2024-01-08 {clock}:00,1,1,1,1,100,100.5" for clock in MORNING),
    )
    answer = everything(files_source(path), MIN1, A)
    assert columns(answer, "timestamp", "volume", "amount")[0] == ("2024-01-08 09:31", 100.0, 100.5)


def test_baostock_rows_say_their_own_adjustment(tmp_path: Path) -> None:
    header = "date,code,open,high,low,close,volume,amount,adjustflag"
    rows = [f"2024-01-08,sz.000001,{flag},{flag},{flag},{flag},10,20,{flag}" for flag in (1, 2, 3)]
    source = files_source(written(tmp_path / "x_qfq.csv", header, *rows), adjust="none")
    assert source.capabilities.series == {Series(adjust=adjust) for adjust in Adjust}
    for adjust, price in ((Adjust.HFQ, 1.0), (Adjust.QFQ, 2.0), (Adjust.NONE, 3.0)):
        assert columns(everything(source, Series(adjust=adjust), A), "close", "volume") == [(price, 10.0)]


def test_a_baostock_row_of_status_0_is_a_suspension_and_no_bar(tmp_path: Path) -> None:
    path = written(
        tmp_path / "bao.csv",
        "date,code,open,high,low,close,volume,amount,adjustflag,tradestatus",
        "2024-01-08,sz.000001,9,9,9,9,100,900,3,1",
        "2024-01-09,sz.000001,9,9,9,9,0,0.0,3,0",
        "2024-01-10,sz.000001,9,9,9,9,,,3,0",
        "2024-01-11,sz.000001,9,9,9,9,100,900,3,0",
    )
    answer = everything(files_source(path), DAILY, A)
    # A vendor that says "suspended" beside shares that were traded contradicts itself: validation shall see the row.
    assert [str(day) for (day,) in columns(answer, "session")] == ["2024-01-08", "2024-01-11"]
    assert absent(answer) == {
        (A, "2024-01-09"): ("suspended", "bao.csv:3 tradestatus=0, volume 0"),
        (A, "2024-01-10"): ("suspended", "bao.csv:4 tradestatus=0, volume 0"),
    }


def test_baostock_minutes_have_their_time_in_one_column(tmp_path: Path) -> None:
    path = written(
        tmp_path / "bao5.csv",
        "date,time,code,open,high,low,close,volume,amount,adjustflag",
        *(f"2024-01-08,20240108{clock}00000,sh.600000,1,1,1,1,5,5,3" for clock in ("0935", "0940", "0945")),
    )
    answer = everything(files_source(path), MINUTES_5, "600000.SH")
    assert columns(answer, "timestamp")[-1] == ("2024-01-08 09:45",)


def test_sina_daily_is_in_shares_and_a_flat_row_of_volume_0_is_a_suspension(tmp_path: Path) -> None:
    path = written(
        tmp_path / "sina_qfq.csv",
        "code,date,open,high,low,close,vol",
        "1,2024-01-08,9.1234,9.2,9.1,9.15,12345",
        "1,2024-01-09,9.15,9.15,9.15,9.15,0",
        "1,2024-01-10,9.15,9.15,9.15,9.15,",
        "1,2024-01-11,9.15,9.2,9.15,9.15,",
        "1,2024-01-12,9.15,9.15,9.15,9.15,700",
    )
    answer = everything(files_source(path), Series(adjust=Adjust.QFQ), A)
    # A row without a volume states nothing, flat or not; a flat row with a volume is a locked limit.
    assert columns(answer, "session", "volume") == [
        (date(2024, 1, 8), 12345.0),
        (date(2024, 1, 10), None),
        (date(2024, 1, 11), None),
        (date(2024, 1, 12), 700.0),
    ]
    assert {cell[1]: reason for cell, (reason, _) in absent(answer).items()} == {
        "2024-01-09": "suspended",
    }


def test_sina_minutes_of_zeros_all_session_long_are_a_suspension(tmp_path: Path) -> None:
    clocks = ("09:45:00", "10:00:00")
    rows = [f"2024-01-08 {clock},1,2024-01-08,{clock},15,1,1,1,1,100,100" for clock in clocks]
    rows += [f"2024-01-09 {clock},1,2024-01-09,{clock},15,0,0,0,0,0,0" for clock in clocks]
    rows += [f"2024-01-11 {clock},1,2024-01-11,{clock},15,9,9,9,9,0,0" for clock in clocks]
    rows += [f"2024-01-10 {clocks[0]},1,2024-01-10,{clocks[0]},15,0,0,0,0,0,0"]
    rows += [f"2024-01-10 {clocks[1]},1,2024-01-10,{clocks[1]},15,1,1,1,1,100,100"]
    header = "datetime,symbol,date,time,period,open,high,low,close,volume,amount"
    answer = everything(files_source(written(tmp_path / "m.csv", header, *rows)), MIN15, A)
    # Zeros beside traded bars are no suspension, nor are prices that nobody traded at: such rows stay rows.
    assert columns(answer, "timestamp", "close") == [
        ("2024-01-08 09:45", 1.0),
        ("2024-01-08 10:00", 1.0),
        ("2024-01-11 09:45", 9.0),
        ("2024-01-11 10:00", 9.0),
        ("2024-01-10 09:45", 0.0),
        ("2024-01-10 10:00", 1.0),
    ]
    assert absent(answer) == {
        (A, "2024-01-09"): ("suspended", "m.csv:4 rows without trading (all prices and volumes 0)")
    }


def test_eastmoney_is_in_lots_and_yuan(tmp_path: Path) -> None:
    daily = written(
        tmp_path / "em.csv",
        "日期,股票代码,开盘,收盘,最高,最低,成交量,成交额,振幅,涨跌幅,涨跌额,换手率",
        "2023-01-03,600519,1579.87,1578.68,1587.1,1554.68,26034,4487760231.0,2.06,0.19,3.01,0.21",
    )
    answer = everything(files_source(daily), DAILY, "600519.SH")
    assert columns(answer, "open", "close", "volume", "amount") == [(1579.87, 1578.68, 2603400.0, 4487760231.0)]


def test_eastmoney_minutes_keep_the_bar_of_the_opening_call(tmp_path: Path) -> None:
    minutes = written(
        tmp_path / "em_1min_600519_20260323_27.csv",
        "datetime,open,close,high,low,volume,成交额,均价",
        *(f"2026-03-23 {clock}:00,0.0,2,2,2,227,32486424.0,2" for clock in ("09:30", *MORNING)),
    )
    answer = everything(files_source(minutes), MIN1, "600519.SH")
    assert columns(answer, "timestamp", "open", "volume")[0] == ("2026-03-23 09:30", 0.0, 22700.0)


def test_generic_columns_may_be_of_any_case_and_order(tmp_path: Path) -> None:
    path = written(tmp_path / "sh600000.csv", '"Close", Volume ,Date,LOW,HIGH,open', "4,500,2024/1/8,1,5,2")
    answer = everything(files_source(path), DAILY, "600000.SH")
    assert columns(answer, "session", "open", "high", "low", "close", "volume", "amount") == [
        (date(2024, 1, 8), 2.0, 5.0, 1.0, 4.0, 500.0, None)
    ]


def test_a_flat_generic_row_without_volume_is_not_taken_for_a_suspension(tmp_path: Path) -> None:
    path = written(tmp_path / "600000.csv", "date,open,high,low,close,volume", "2024-01-08,4,4,4,4,0")
    assert columns(everything(files_source(path), DAILY, "600000.SH"), "volume") == [(0.0,)]


def test_day_and_time_may_stand_apart(tmp_path: Path) -> None:
    rows = [f"2024-01-08,{clock},1,1,1,1,5" for clock in ("931", "0932", "09:33")]
    path = written(tmp_path / "600000.csv", "date,time,open,high,low,close,volume", *rows)
    answer = everything(files_source(path), MIN1, "600000.SH")
    assert columns(answer, "timestamp") == [(f"2024-01-08 {clock}",) for clock in MORNING]


@pytest.mark.parametrize(
    ("starts", "ends", "series"),
    [
        (("09:30", "11:29", "13:00", "14:59"), ("09:31", "11:30", "13:01", "15:00"), MIN1),
        (("09:30", "11:25", "13:00", "14:55"), ("09:35", "11:30", "13:05", "15:00"), MINUTES_5),
    ],
)
def test_a_label_of_the_start_becomes_the_end(
    tmp_path: Path, starts: tuple[str, ...], ends: tuple[str, ...], series: Series
) -> None:
    rows = [f"2024-01-08 {clock},1,1,1,1,5" for clock in starts]
    path = written(tmp_path / "600000.csv", "datetime,open,high,low,close,volume", *rows)
    answer = everything(files_source(path, label="start", frequency=series.frequency), series, "600000.SH")
    assert columns(answer, "timestamp") == [(f"2024-01-08 {clock}",) for clock in ends]


def test_overrides_replace_what_the_format_declares(tmp_path: Path) -> None:
    path = written(tmp_path / "600000.csv", "date,open,high,low,close,volume,amount", "2024-01-08,4,4,4,4,7,2.8")
    overridden = files_source(path, volume_unit="lots", amount_unit="thousand_yuan", adjust="hfq")
    answer = everything(overridden, Series(adjust=Adjust.HFQ), "600000.SH")
    assert columns(answer, "volume", "amount") == [(700.0, 2800.0)]


@pytest.mark.parametrize("minutes", [1, 5, 15, 30, 60])
def test_the_length_of_bars_is_told_by_their_times(tmp_path: Path, minutes: int) -> None:
    series = Series(Frequency(f"{minutes}m"))
    batch = bars("600000.SH", ["2024-01-08"], series=series)
    clocks = [f"2024-01-08 {clock[-5:]}" for (clock,) in columns(Rows(batch), "timestamp")]
    rows = [f"{clock},1,1,1,1,5" for clock in (*clocks, "2024-01-09 09:33")]
    path = written(tmp_path / "600000.csv", "datetime,open,high,low,close,volume", *rows)
    assert only_series(files_source(path)) == series


@pytest.mark.parametrize(
    ("clock", "name", "series"),
    [
        ("", "600000.csv", DAILY),
        (" 00:00:00", "600000.csv", DAILY),
        (" 15:00:00", "600000.csv", DAILY),
        (" 09:35:00", "600000_5min.csv", MINUTES_5),
    ],
)
def test_days_are_told_from_minutes(tmp_path: Path, clock: str, name: str, series: Series) -> None:
    path = written(tmp_path / name, "datetime,open,high,low,close,volume", f"2024-01-08{clock},1,1,1,1,5")
    source = files_source(path)
    assert only_series(source) == series
    timestamp = columns(everything(source, series, "600000.SH"), "timestamp")
    assert timestamp == [("2024-01-08 09:35" if series == MINUTES_5 else "2024-01-08 00:00",)]


def test_bars_of_unknown_length_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = written(tmp_path / "600000.csv", "datetime,open,high,low,close,volume", "2024-01-08 09:35,1,1,1,1,5")
    with pytest.raises(SchemaMismatch, match=r"600000\.csv: the length of its bars cannot be told .* frequency"):
        _ = files_source(path).capabilities
    assert only_series(files_source(path, frequency="5m")) == MINUTES_5


@pytest.mark.parametrize(
    ("name", "adjust"),
    [
        ("x/daily_qfq_600000.csv", Adjust.QFQ),
        ("x/600000-HFQ.csv", Adjust.HFQ),
        ("hfq/600000.csv", Adjust.HFQ),
        ("hfq/600000_qfq.csv", Adjust.QFQ),
        ("x/600000前复权.csv", Adjust.QFQ),
        ("x/600000.csv", Adjust.NONE),
    ],
)
def test_the_adjustment_is_in_the_name_of_the_file_or_of_its_folder(tmp_path: Path, name: str, adjust: Adjust) -> None:
    written(tmp_path / "root" / name, "date,open,high,low,close,volume", "2024-01-08,1,1,1,1,5")
    assert only_series(files_source(tmp_path / "root")) == Series(adjust=adjust)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("600519.csv", "600519.SH"),
        ("sz000001.csv", A),
        ("000001.SZ.csv", A),
        ("SH#600000.csv", "600000.SH"),
        ("em_daily_600519_2023.csv", "600519.SH"),
        ("em_5min_600519_201812_201902.csv", "600519.SH"),
        ("bars_000001.SZ_201812_201902.csv", A),
        ("200012.csv", "200012.SZ"),
    ],
)
def test_the_code_is_in_the_name_of_a_file_without_a_column_of_codes(tmp_path: Path, name: str, code: str) -> None:
    path = written(tmp_path / name, "date,open,high,low,close,volume", "2024-01-08,1,1,1,1,5")
    assert columns(everything(files_source(path), DAILY, code), "code") == [(code,)]


def test_what_we_export_reads_back_as_it_is(tmp_path: Path) -> None:
    daily = bars(["000001.SZ", "600519.SH"], ["1991-05-06", "2024-01-03"], [10.5, 1700.01], pre_closes=[None, 1690.0])
    minutes = bars("600519.SH", ["2024-01-02"], series=MINUTES_5, source="tushare")
    table = pa.concat_tables([exported(daily), exported(minutes)])
    pacsv.write_csv(table, tmp_path / "bars.csv")
    pq.write_table(table, tmp_path / "bars.parquet")
    for path in (tmp_path / "bars.csv", tmp_path / "bars.parquet"):
        source = files_source(path)
        for batch in (daily, minutes):
            answer = everything(source, batch.series, *batch.codes())
            assert isinstance(answer, Rows)
            assert without_version(answer.batch) == without_version(batch)


def exported(batch: BarBatch) -> pa.Table:
    """Return `batch` in the columns of our command line's export."""
    table = batch.table
    words = {"frequency": batch.series.frequency.value, "adjust": batch.series.adjust.value}
    names = ("code", "frequency", "adjust", "session", "timestamp", "open", "high", "low", "close", "pre_close")
    found = {
        name: pa.repeat(words[name], len(table)) if name in words else table[name]
        for name in (*names, "volume", "amount", "source")
    }
    plain = {name: found[name].cast(pa.string()) for name in ("code", "source")}
    return pa.table(found | plain)


def without_version(batch: BarBatch) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = batch.table.drop_columns(["version"]).to_pylist()
    return rows


def test_parquet_columns_may_be_typed_or_texts(tmp_path: Path) -> None:
    values = {name: [1.5, 2.5] for name in ("open", "high", "low", "close")}
    shapes = {
        "date": pa.array([date(2024, 1, 8), date(2024, 1, 9)]),
        "naive": pa.array(np.array(["2024-01-08", "2024-01-09"], "datetime64[ns]")),
        "zoned": pa.array(np.array(["2024-01-07T16", "2024-01-08T16"], "datetime64[us]")).cast(
            pa.timestamp("us", "UTC")
        ),
        "number": pa.array([20240108, 20240109]),
        "text": pa.array(["2024-01-08", "20240109"]),
    }
    for name, moments in shapes.items():
        table = pa.table({"date": moments, **values, "volume": pa.array([100, None]), "symbol": pa.array([1, 600000])})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        answer = everything(files_source(tmp_path / f"{name}.parquet"), DAILY, A, "600000.SH")
        assert columns(answer, "code", "session", "close", "volume") == [
            (A, date(2024, 1, 8), 1.5, 100.0),
            ("600000.SH", date(2024, 1, 9), 2.5, None),
        ]
        assert isinstance(answer, Rows)
        assert answer.places is not None
        assert answer.places.text(1) == f"{name}.parquet:2"


def test_a_table_may_be_compressed_marked_crlf_or_gbk(tmp_path: Path) -> None:
    lines = ("日期,股票代码,名称,开盘,收盘,最高,最低,成交量", "2024-01-08,600000,浦发银行,1,2,3,1,5")
    text = "\r\n".join(lines).encode()
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(text))
    (tmp_path / "marked.csv").write_bytes(b"\xef\xbb\xbf" + text + b"\r\n")
    written(tmp_path / "gbk.csv", *lines, encoding="gbk")
    written(tmp_path / "tabs.txt", *(line.replace(",", "\t") for line in lines))
    for name in ("packed.csv.gz", "marked.csv", "gbk.csv", "tabs.txt"):
        answer = everything(files_source(tmp_path / name), DAILY, "600000.SH")
        assert columns(answer, "open", "close", "high", "volume") == [(1.0, 2.0, 3.0, 5.0)]


def test_bytes_that_are_no_text_spoil_only_their_cell(tmp_path: Path) -> None:
    lines = ["date,code,name,open,high,low,close,volume"]
    lines += [f"2024-01-0{day},600000,N,1,1,1,1,5" for day in (8, 9)]
    path = written(tmp_path / "x.csv", *lines)
    path.write_bytes(path.read_bytes().replace(b"N,1", b"\xff\xfe,1", 1).replace(b"N,1", b"N,\xff1", 1))
    answer = everything(files_source(path), DAILY, "600000.SH")
    assert columns(answer, "session") == [(date(2024, 1, 8),)]
    assert [(rule, field, place) for rule, field, _, place in rejected(answer)] == [
        ("unreadable_number", "open", "x.csv:3")
    ]


def test_a_header_without_rows_is_an_archive_without_rows(tmp_path: Path) -> None:
    source = files_source(written(tmp_path / "600000.csv", "date,open,high,low,close,volume"))
    assert source.capabilities.series == frozenset()
    assert source.capabilities.extent is None


def test_a_named_format_is_the_only_one_tried(tmp_path: Path) -> None:
    path = written(tmp_path / "600000.csv", "date,open,high,low,close,volume", "2024-01-08,1,1,1,1,5")
    with pytest.raises(SchemaMismatch, match="as tushare_daily: columns 'trade_date', 'vol' are missing"):
        _ = files_source(path, format="tushare_daily").capabilities


def test_a_request_outside_the_archive_is_proven_empty(tmp_path: Path) -> None:
    path = written(tmp_path / "600000.csv", "date,open,high,low,close,volume", "2024-01-08,1,1,1,1,5")
    answer = everything(files_source(path), DAILY, A)
    assert isinstance(answer, ProvenEmpty)
    assert absent(answer) == {(A, "2024-01-08"): ("no_row", "600000.csv, where no file has the code, has no row")}
