"""Everything stored in an embedded database, in its own process: an engine allows one path per process.

Usage: python dump.py DIRECTORY [FREQUENCY ADJUST] -> CSV on standard output, one line per bar, by key.
"""

from __future__ import annotations

import sys
from datetime import date

import pyarrow as pa
import pyarrow.csv

from ginkgo_data.adapters.clickhouse.bar_repository import ClickHouseBarRepository
from ginkgo_data.adapters.clickhouse.client import open_client
from ginkgo_data.adapters.clickhouse.config import ClickHouseConfig
from ginkgo_data.domain.model.series import Adjust, Frequency, Series
from ginkgo_data.entrypoints.show_bars import plain


def main(directory: str, frequency: str = "1d", adjust: str = "none") -> None:
    client = open_client(ClickHouseConfig(url=f"chdb://{directory}"))
    series = Series(Frequency(frequency), Adjust(adjust))
    stored = ClickHouseBarRepository(client).read(None, series, date(1990, 1, 1), date(2100, 1, 1))
    pyarrow.csv.write_csv(plain(stored), pa.PythonFile(sys.stdout.buffer))
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
