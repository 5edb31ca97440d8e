# Upstream: adapters.files, adapters.kafka.command_fields, domain.services.bar_columns, entrypoints
# Downstream: domain.model.errors
# Role: The one canonical form of a security's code, and the parser of the others
"""A code is ``NNNNNN.SH``, ``NNNNNN.SZ`` or ``NNNNNN.BJ`` (six digits, exchange), the form Ginkgo stores.

Hosts and vendors also write ``SH600000``, ``sz.000001``, ``sh600000`` or a bare ``600000``; `canonical_code`
turns these into the one form or says why it cannot.
"""

from __future__ import annotations

import re

from ginkgo_data.domain.model.errors import MalformedCommand

CODE_PATTERN = re.compile(r"^\d{6}\.(?:SH|SZ|BJ)\Z", re.ASCII)
EXCHANGES = ("SH", "SZ", "BJ")

_SUFFIXED = re.compile(r"^(\d{6})[._]?(SH|SZ|BJ|SS|XSHG|XSHE)$", re.ASCII)
_PREFIXED = re.compile(r"^(SH|SZ|BJ)[._]?(\d{6})$", re.ASCII)
_ALIASES = {"SS": "SH", "XSHG": "SH", "XSHE": "SZ"}

# First digits of a bare stock symbol -> exchange (stocks only: indices share digits with Shenzhen stocks).
_BARE = (
    (re.compile(r"^(?:6\d{5}|9009\d\d|5\d{5})$", re.ASCII), "SH"),
    (re.compile(r"^(?:00\d{4}|30\d{4}|20\d{4}|1[568]\d{4})$", re.ASCII), "SZ"),
    (re.compile(r"^(?:[48]\d{5}|92\d{4})$", re.ASCII), "BJ"),
)


INDEX_PATTERN = r"^(?:000\d{3}\.SH|399\d{3}\.SZ|899\d{3}\.BJ)$"
"""Codes of indices: their volume and amount are sums over members, so amount / volume is no price."""


def canonical_code(text: str) -> str:
    """Return `text` as ``NNNNNN.EX``; accepts suffix and prefix forms in either case, blanks around them.

    Raises `MalformedCommand` naming the value and the forms that are allowed. A bare symbol is not
    accepted here, since ``000001`` is both a Shenzhen bank and the Shanghai index: see `code_of_symbol`.
    """
    wanted = text.strip().upper()
    if match := _SUFFIXED.match(wanted):
        symbol, exchange = match.groups()
    elif match := _PREFIXED.match(wanted):
        exchange, symbol = match.groups()
    else:
        raise MalformedCommand(
            f"code {text!r} is not a security's code; allowed: six digits and an exchange, "
            "such as 000001.SZ, 600000.SH, 430047.BJ or SH600000"
        )
    return f"{symbol}.{_ALIASES.get(exchange, exchange)}"


def code_of_symbol(symbol: str) -> str:
    """Return the code of a bare stock or fund symbol (``600519`` -> ``600519.SH``); leading zeros may be lost.

    Only for vendor files that say nothing else: bare symbols are read as stocks and funds, never as
    indices. Raises `MalformedCommand` when no exchange lists such a symbol.
    """
    padded = symbol.strip().zfill(6) if symbol.strip() else ""
    for pattern, exchange in _BARE:
        if pattern.match(padded):
            return f"{padded}.{exchange}"
    raise MalformedCommand(f"symbol {symbol!r} belongs to no A-share exchange; allowed: six digits such as 600519")
