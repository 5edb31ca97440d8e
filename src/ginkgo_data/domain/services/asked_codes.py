# Upstream: domain.services.{collector, session_job}
# Downstream: domain.model, domain.services.{reference, tally}, ports.reference_repository
# Role: Which codes a command is about: known ones, strangers, and those that no one could be asked about
"""From a command's codes to codes that securities know."""

from __future__ import annotations

from dataclasses import dataclass

from ginkgo_data.domain.model.collection import WHOLE_UNIVERSE
from ginkgo_data.domain.model.commands import CollectBars, SyncSecurities
from ginkgo_data.domain.model.reference import Securities
from ginkgo_data.domain.services.reference import UNKNOWN_CODE_REFRESH_HOURS, SecuritiesSync
from ginkgo_data.domain.services.tally import Tally
from ginkgo_data.ports.reference_repository import ReferenceRepository


@dataclass(frozen=True, slots=True)
class AskedCodes:
    """The codes to work, with the securities that know them."""

    securities: Securities
    codes: list[str]
    strangers: tuple[str, ...] = ()
    """Codes of the command that no exchange lists."""


def codes_asked(
    command: CollectBars, reference: ReferenceRepository, universe: SecuritiesSync, tally: Tally
) -> AskedCodes:
    """Return what `command` is about. Calls, and codes without an answer, are added to `tally`.

    A code that the stored securities lack refreshes them once; where the vendor does not answer, such a
    code is unanswered rather than unknown. Raises `StoreUnavailable`.
    """
    securities = reference.securities()
    known = set(securities.codes())
    if command.codes is None:
        if not known:
            securities = _first_universe(reference, universe, tally)
        return AskedCodes(securities, sorted(securities.codes()))
    if known.issuperset(command.codes):
        return AskedCodes(securities, list(command.codes))
    refreshed = universe.sync(SyncSecurities(max_age_hours=UNKNOWN_CODE_REFRESH_HOURS))
    tally.calls += refreshed.calls
    securities = reference.securities()
    known = set(securities.codes())
    strangers = tuple(code for code in command.codes if code not in known)
    if refreshed.unknown is not None:
        tally.unanswered(strangers, refreshed.unknown)
        strangers = ()
    return AskedCodes(securities, [code for code in command.codes if code in known], strangers)


def _first_universe(reference: ReferenceRepository, universe: SecuritiesSync, tally: Tally) -> Securities:
    """Ask for the universe where nothing is stored: "all codes" of an empty list would be a false success."""
    refreshed = universe.sync(SyncSecurities())
    tally.calls += refreshed.calls
    if refreshed.unknown is not None:
        tally.unanswered([WHOLE_UNIVERSE], refreshed.unknown)
    return reference.securities()
