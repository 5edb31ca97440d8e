"""The contract of bar sources, for archives in the shapes of several vendors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from contracts.bar_source import SUSPENDED, VENDOR_BARS, BarSourceContract
from ginkgo_data.adapters.files import archive
from ginkgo_data.adapters.files.bar_source import FilesBarSource
from support.archives import files_source, written

Row = dict[str, object]
ROWS: list[Row] = VENDOR_BARS.table.to_pylist()


def lines(header: str, shape: Callable[[Row], tuple[object, ...]]) -> list[str]:
    """Return a CSV of the vendor's rows, each shaped by `shape`."""
    return [header, *(",".join(str(cell) for cell in shape(row)) for row in ROWS)]


class TestTushareCsv(BarSourceContract):
    tells_suspensions = False

    @pytest.fixture
    def source(self, tmp_path: Path) -> FilesBarSource:
        shape = lambda r: (  # noqa: E731  (used on the next line only)
            r["code"],
            f"{r['session']:%Y%m%d}",
            r["open"],
            r["high"],
            r["low"],
            r["close"],
            f"{r['volume'] / 100:.2f}",
            f"{r['amount'] / 1000:.5f}",
        )
        header = "ts_code,trade_date,open,high,low,close,vol,amount"
        return files_source(written(tmp_path / "daily.csv", *lines(header, shape)))


class TestBaostockCsv(BarSourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> FilesBarSource:
        def shape(r: Row) -> tuple[object, ...]:
            symbol, exchange = str(r["code"]).split(".")
            prices = (r["open"], r["high"], r["low"], r["close"], r["close"])
            return (r["session"], f"{exchange.lower()}.{symbol}", *prices, int(r["volume"]), r["amount"], 3, 1)

        halted = f"{SUSPENDED[1]},sh.600519,1658.08,1658.08,1658.08,1658.08,1658.08,0,0.0,3,0"
        header = "date,code,open,high,low,close,preclose,volume,amount,adjustflag,tradestatus"
        return files_source(written(tmp_path / "bao.csv", *lines(header, shape), halted))


class TestFolderOfOneFilePerCode(BarSourceContract):
    tells_suspensions = False

    @pytest.fixture
    def source(self, tmp_path: Path) -> FilesBarSource:
        for code in VENDOR_BARS.codes():
            symbol, exchange = code.split(".")
            shape = lambda r: tuple(r[n] for n in ("session", "open", "high", "low", "close", "volume", "amount"))  # noqa: E731  (used on the next line only)
            own = [line for line, row in zip(lines("", shape)[1:], ROWS, strict=True) if row["code"] == code]
            path = tmp_path / "bars" / exchange.lower() / f"{exchange.lower()}{symbol}.csv"
            written(path, "Date,Open,High,Low,Close,Volume,Amount", *own)
        return files_source(tmp_path / "bars")


class TestParquet(BarSourceContract):
    tells_suspensions = False

    @pytest.fixture
    def source(self, tmp_path: Path) -> FilesBarSource:
        table = VENDOR_BARS.table.rename_columns({"session": "date"}).drop_columns(["timestamp", "source", "version"])
        pq.write_table(table, tmp_path / "bars.parquet")
        return files_source(tmp_path / "bars.parquet")


class TestOurOwnExport(BarSourceContract):
    tells_suspensions = False

    @pytest.fixture
    def source(self, tmp_path: Path) -> FilesBarSource:
        table = VENDOR_BARS.table.drop_columns(["version"])
        for position, (name, word) in enumerate((("frequency", "1d"), ("adjust", "none")), start=1):
            table = table.add_column(position, name, pa.repeat(word, len(table)))
        table = table.set_column(0, "code", table["code"].cast(pa.string()))
        table = table.set_column(table.column_names.index("source"), "source", table["source"].cast(pa.string()))
        pacsv.write_csv(table, tmp_path / "bars.csv")
        return files_source(tmp_path / "bars.csv")


class TestFileTooLargeToKeep(TestBaostockCsv):
    """Read anew for each request, and only the pieces that it is about."""

    @pytest.fixture(autouse=True)
    def small_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(archive, "_CACHED_FILE_BYTES", 0)
        monkeypatch.setattr("ginkgo_data.adapters.files.tables._PIECE_BYTES", 200)
