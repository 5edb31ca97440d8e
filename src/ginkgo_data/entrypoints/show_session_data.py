# Upstream: entrypoints.session_data_cli
# Downstream: entrypoints.{database, show_rows}, pyarrow
# Role: What `ginkgo-data factors` and `ginkgo-data ticks` print
"""Stored adjustment factors and ticks of one code."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pyarrow as pa

from ginkgo_data.entrypoints.database import database_settings, opened
from ginkgo_data.entrypoints.show_rows import Shown, day_texts, moment_texts, print_rows

_FACTOR_PLACES = 12


def show_factors(code: str, first: date, last: date, output: str, database: str | None, config: Path | None) -> bool:
    """Print the adjustment factors of `code`; return whether there were any.

    Raises `ConfigurationError` where no database is named, `StoreUnavailable` where it does not answer.
    """
    settings = database_settings(database, config)
    with opened(settings) as container:
        table = container.adjustment_repository().read([code], first, last).table
    if not table.num_rows:
        sys.stderr.write(
            f"no adjustment factors of {code} between {first} and {last} in {settings.clickhouse.url}; "
            "the command adjustfactor collects them\n"
        )
        return False
    rows = pa.table(
        {
            "code": table["code"].cast(pa.string()),
            "session": day_texts(table["session"]),
            **{name: table[name] for name in ("factor", "fore", "back")},
            "source": table["source"].cast(pa.string()),
        }
    )
    days = rows["session"]
    head = f"{code} adjustment factors  {len(days):,} sessions, {days[0]} … {days[len(days) - 1]}"
    foot = "raw price x fore = forward adjusted (qfq), raw price x factor = backward adjusted (hfq)"
    places = dict.fromkeys(("factor", "fore", "back"), _FACTOR_PLACES)
    print_rows(Shown(rows, places, ("code", "source"), head, foot), output)
    return True


def show_ticks(code: str, session: date, output: str, database: str | None, config: Path | None) -> bool:
    """Print the ticks of `code` on `session`; return whether there were any. Raises as `show_factors`."""
    settings = database_settings(database, config)
    with opened(settings) as container:
        ticks = container.tick_repository()
        table = ticks.read([code], session, session).table
        held = code in ticks.held([code], session, session)
    if not table.num_rows:
        why = "held: there were none" if held else "not held; the command tick collects them"
        sys.stderr.write(f"no ticks of {code} on {session} in {settings.clickhouse.url} ({why})\n")
        return False
    rows = pa.table(
        {
            "code": table["code"].cast(pa.string()),
            "session": day_texts(table["session"]),
            "seq": table["seq"],
            "timestamp": moment_texts(table["timestamp"]),
            "price": table["price"],
            "volume": table["volume"].cast(pa.int64()),
            "side": table["side"].cast(pa.string()),
            "source": table["source"].cast(pa.string()),
        }
    )
    head = f"{code} {session}  {table.num_rows:,} ticks" + ("" if held else ", not all of them: some were rejected")
    places = {"seq": 0, "price": 6, "volume": 0}
    print_rows(Shown(rows, places, ("code", "session", "source"), head, "price in CNY, volume in shares"), output)
    return True
