# Upstream: adapters, domain.{model, services}, entrypoints
# Downstream: none
# Role: The error tree: what may be tried again, what may not, and what stops a start
"""Errors of the whole package; foreign exceptions are translated into these at each adapter's edge.

::

    GinkgoDataError
    ├── TransientError              trying again later may help
    │   ├── SourceUnavailable       vendor: network, HTTP 5xx, timeout
    │   │   └── RateLimited         vendor: over its quota (``retry_after`` seconds)
    │   ├── StoreUnavailable        ClickHouse refused, timed out or is away
    │   ├── BrokerUnavailable       Kafka or Redis is away
    │   └── Interrupted             this worker is stopping: no call can be sent any more
    ├── TerminalError               trying the same again cannot help
    │   ├── MalformedCommand        the bytes or the parameters of a command
    │   ├── UnknownCommand          a command word that nobody knows
    │   ├── UnknownCode             a well-formed code that the securities do not contain
    │   ├── NotAvailable            known, but this configuration has nothing that can do it
    │   ├── SourceRejected          vendor: bad token, no permission, parameter refused
    │   ├── SchemaMismatch          a table, file or reply does not have the columns it must have
    │   └── CalendarHorizonExceeded a day beyond what the trading calendar knows
    ├── ConfigurationError          stops a start
    └── InvalidTransition           a worker was told to enter a state it cannot enter from here
"""

from __future__ import annotations


class GinkgoDataError(Exception):
    """Root of all errors raised on purpose by this package."""


class TransientError(GinkgoDataError):
    """Trying again later may help."""


class SourceUnavailable(TransientError):
    """A vendor did not give a usable answer: network, HTTP 5xx, timeout."""


class RateLimited(SourceUnavailable):
    """A vendor refused because its quota is used up."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds until the quota is open again."""


class StoreUnavailable(TransientError):
    """The store refused an operation or is away; nothing of it may be taken as stored."""


class BrokerUnavailable(TransientError):
    """Kafka or Redis did not acknowledge an operation."""


class Interrupted(TransientError):
    """A call could not be sent any more, since the worker is stopping: nobody's fault."""


class TerminalError(GinkgoDataError):
    """Trying the same again cannot help."""


class MalformedCommand(TerminalError):
    """The bytes are no command, or its parameters are not allowed; the message names key, value, allowed."""


class UnknownCommand(TerminalError):
    """A command word that neither this worker nor any of its neighbours knows."""


class UnknownCode(TerminalError):
    """A well-formed code that the stored securities do not contain."""


class NotAvailable(TerminalError):
    """A known command for which this configuration has no source or store."""


class SourceRejected(TerminalError):
    """A vendor refused for good: bad token, no permission, parameter not accepted."""


class SchemaMismatch(TerminalError):
    """A table, a file or a reply lacks a column or has it in a type that does not fit; the column is named."""


class CalendarHorizonExceeded(TerminalError):
    """A day was asked for that lies beyond what the trading calendar knows."""


class ConfigurationError(GinkgoDataError):
    """The configuration cannot be used; the message names file, key, value and what is allowed."""


class InvalidTransition(GinkgoDataError):
    """A worker was told to enter a state that cannot be entered from its present one."""
