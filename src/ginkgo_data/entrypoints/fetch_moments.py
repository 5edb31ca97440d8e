# Upstream: entrypoints.{show_factor_revisions, show_revisions}
# Downstream: domain.model.bars
# Role: When a stored row was fetched, for people
"""Versions are microseconds since 1970 of the store's clock: the moment at which a call was sent."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ginkgo_data.domain.model.bars import EXCHANGE_ZONE

_ZONE = ZoneInfo(EXCHANGE_ZONE)


def fetched_at(version: int) -> datetime:
    """Return when a row of `version` was fetched, in the exchange's time.

    Not for version 0: another program stored such a row, and did not say when it fetched it.
    """
    moment = datetime.fromtimestamp(version // 1_000_000, UTC)
    return moment.replace(microsecond=version % 1_000_000).astimezone(_ZONE)
