"""The stores that contract suites of ClickHouse run on."""

from __future__ import annotations

from support.engine import engine, store, store_config

__all__ = ["engine", "store", "store_config"]
