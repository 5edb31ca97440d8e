# Upstream: adapters.clickhouse
# Downstream: domain.model.{bars, series}
# Role: Texts, days and conditions as SQL, with long lists of codes in chunks
"""Conditions of queries. Lists go into the statement's text: as parameters they would travel in the URL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE
from ginkgo_data.domain.model.series import Series

CODES_PER_QUERY = 5000
"""Codes in one statement: 60 kB of the 256 KiB that `max_query_size` allows."""

FIRST_DAY = date(1900, 1, 1)
LAST_DAY = date(2299, 12, 30)
"""Days that the engine's date literals can name; bounds beyond them mean these."""

FINAL_SETTINGS = (
    "SETTINGS do_not_merge_across_partitions_select_final = 1, "
    "output_format_arrow_low_cardinality_as_dictionary = 1, "
    "output_format_arrow_use_64_bit_indexes_for_dictionary = 0"
)
"""For queries with FINAL: a key lies in one partition, so no row must be compared across them; texts of low
cardinality come as dictionaries."""

SORTED_SETTINGS = f"{FINAL_SETTINGS}, optimize_read_in_order = 0"
"""For queries that also sort: under FINAL, reading in order takes half as long again as sorting the result."""


def quoted(text: str) -> str:
    """Return `text` as a literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def of_series(series: Series) -> str:
    """Return the condition that a row is of `series`."""
    return f"frequency = {quoted(series.frequency.value)} AND adjust = {quoted(series.adjust.value)}"


def of_codes(codes: Sequence[str] | None, column: str = "code") -> Iterator[str]:
    """Yield conditions that together cover `codes`, ascending and each once: a chunk each; all rows if None."""
    if codes is None:
        yield "1"
        return
    wanted = sorted(set(codes))
    for start in range(0, len(wanted), CODES_PER_QUERY):
        yield f"{column} IN ({', '.join(quoted(code) for code in wanted[start : start + CODES_PER_QUERY])})"


def of_sessions(first: date, last: date) -> str:
    """Return the condition that the session lies in [first, last]."""
    return f"session >= toDate32('{_known(first)}') AND session <= toDate32('{_known(last)}')"


def of_bars(first: date, last: date) -> str:
    """Return `of_sessions` for the table of bars, whose partitions and sort key know the timestamp only.

    A bar's timestamp lies on the day of its session; the bar that ends a day ends at the next midnight.
    """
    midnight = _known(last) + timedelta(days=1)
    return (
        f"timestamp >= toDateTime64('{_known(first)} 00:00:00', 3, '{EXCHANGE_ZONE}') "
        f"AND timestamp <= toDateTime64('{midnight} 00:00:00', 3, '{EXCHANGE_ZONE}') AND {of_sessions(first, last)}"
    )


def _known(day: date) -> date:
    return min(max(day, FIRST_DAY), LAST_DAY)
