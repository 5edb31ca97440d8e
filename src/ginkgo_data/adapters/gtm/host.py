# Upstream: adapters.gtm, entrypoints.gtm
# Downstream: domain.model.errors
# Role: What the objects of a host must have, as Protocols, and the check that they have it
"""Shapes of the host's objects, as Ginkgo has them; any object with these methods will do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

from ginkgo_data.domain.model.errors import ConfigurationError


class HostBar(Protocol):
    """A row of the host's table of bars, such as Ginkgo's ``MBar``.

    Prices and `amount` (thousand CNY) have two decimals, `volume` is whole lots of 100 shares, `frequency` 1 is daily,
    `timestamp` the exchange's wall clock without a zone, `source` Ginkgo's number, `uuid` 32 hexadecimal digits.
    """

    code: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    amount: Decimal
    frequency: int
    timestamp: datetime
    source: int
    uuid: str


HostBarMaker: TypeAlias = Callable[..., object]
"""Makes a row from keywords named like the fields of `HostBar`: the class ``MBar`` itself."""


class HostBarCRUD(Protocol):
    """The host's access to its table of bars, such as Ginkgo's ``BarCRUD``.

    Keys of `filters` are names of fields, with ``__gte``, ``__lte`` or ``__in`` where they are no equalities. `find`
    may answer an error with an empty list, and `add_batch` may return its argument although nothing was stored:
    neither is believed.
    """

    def find(
        self,
        filters: dict[str, Any] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        order_by: str | None = None,
        desc_order: bool = False,
    ) -> Sequence[Any]:
        """Return the rows under all of `filters`; at most `page_size`, where it is given."""

    def add_batch(self, items: list[Any]) -> object:
        """Store rows."""

    def remove(self, filters: dict[str, Any]) -> object:
        """Delete the rows under all of `filters`; raises where it cannot."""


class HostFrame(Protocol):
    """A table as pandas has it; pandas is not imported for it."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def to_dict(self, orient: str) -> Mapping[Any, list[Any]]:
        """Return the columns by name, for ``"list"``."""


class HostBarSource(Protocol):
    """A source of daily bars, such as Ginkgo's ``GinkgoTushare``."""

    def fetch_cn_stock_daybar(self, code: str, start_date: datetime, end_date: datetime) -> HostFrame | None:
        """Return a frame with ts_code, trade_date, open, high, low, close, pre_close, vol (lots), amount (k CNY)."""


class HostReferenceSource(Protocol):
    """A source of securities and trading days, such as Ginkgo's ``GinkgoTushare``."""

    def fetch_cn_stockinfo(self) -> HostFrame | None:
        """Return a frame with ts_code, name, industry, list_date, delist_date."""

    def fetch_cn_stock_trade_day(self) -> HostFrame | None:
        """Return a frame with exchange, cal_date, is_open."""


class HostLogger(Protocol):
    """The host's logger, such as Ginkgo's ``GLOG``."""

    def DEBUG(self, msg: str) -> None:  # noqa: N802  (upstream's name, like the four below)
        """Log a line."""

    def INFO(self, msg: str) -> None:  # noqa: N802  (as above)
        """Log a line."""

    def WARN(self, msg: str) -> None:  # noqa: N802  (as above)
        """Log a line."""

    def ERROR(self, msg: str) -> None:  # noqa: N802  (as above)
        """Log a line."""

    def CRITICAL(self, msg: str) -> None:  # noqa: N802  (as above)
        """Log a line."""


class HostTracer(Protocol):
    """What a `HostLogger` may have beside: its trace id, for the lines within."""

    def with_trace_id(self, trace_id: str) -> AbstractContextManager[object]:
        """Return the context in which lines have this trace id."""


def require_methods(what: str, host: object, *names: str) -> None:
    """Raise `ConfigurationError` naming the methods that `host` lacks."""
    lacking = [name for name in names if not callable(getattr(host, name, None))]
    if lacking:
        raise ConfigurationError(
            f"{what}: {type(host).__name__} has no {', '.join(lacking)}; allowed: an object with {', '.join(names)}"
        )
