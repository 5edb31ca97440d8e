"""A second opinion costs a few calls of another source, is told in the report, and never fails or holds up a job."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from ginkgo_data.adapters.kafka.report_wire import decode_report, encode_report, report_schema
from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.errors import SourceUnavailable
from ginkgo_data.domain.model.fetch import Unknown, UnknownReason
from ginkgo_data.domain.model.quality import Agreement, AlertKind, DataQualityReport, Severity, Verdict
from ginkgo_data.domain.model.series import DAILY, Series
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.domain.services.second_opinion import PATIENCE
from ginkgo_data.entrypoints.dispatch import Hooks
from support.bars import MINUTES_5, bars, market
from support.deliveries import delivery
from support.json_schema import faults
from support.stack import BY_CODE, FIVE, NOW, SESSIONS, VENDOR, InMemoryBarSource, Stack, listed

A, B = "000001.SZ", "600519.SH"
CLOSES = [10.0, 10.1, 10.2, 10.3, 10.4]
OTHER = replace(VENDOR, name="other")


def vendor(closes: list[float] | None = None, source: str = "test", codes: tuple[str, ...] = (A, B)) -> BarBatch:
    """Return bars that no rule flags, and that move a little each day."""
    chosen = closes or CLOSES
    before = [chosen[0], *chosen[:-1]]
    return BarBatch.concat([bars(code, FIVE, chosen, pre_closes=before, source=source) for code in codes])


class Second(InMemoryBarSource):
    """The other source, of the same market unless told otherwise."""

    def __init__(self, batch: BarBatch | None = None, capabilities=OTHER) -> None:
        super().__init__(vendor(source="other") if batch is None else batch, capabilities)


class Answering(Second):
    """One that does `this` when it is asked."""

    def __init__(self, this) -> None:
        super().__init__()
        self._this = this

    def fetch(self, request):
        super().fetch(request)
        return self._this()


def stack(second: object = None, **more: object) -> Stack:
    return Stack(source=InMemoryBarSource(vendor(), VENDOR), second_source=second, **more)


def reported(parts: Stack, hooks: Hooks | None = None, **command: object) -> DataQualityReport:
    """Work one snapshot of both codes; it must be done whatever the other source does."""
    asked = CollectBars((A, B), **{"full": True, **command})
    result = parts.round.run([delivery(asked, sent=NOW)], hooks)
    assert (len(result.finished), result.held, parts.dead_letters.letters) == (1, [], {})
    (report,) = parts.quality.reports(1)
    return report


def rules_of(report: DataQualityReport) -> list[str]:
    return [finding.rule for finding in report.anomalies]


def without_opinion(report: DataQualityReport) -> DataQualityReport:
    return replace(report, second_opinion=None, notes=(), anomalies=())


# -- what is said ----------------------------------------------------------------------------------------------


def test_by_default_nobody_is_asked():
    report = reported(stack())
    assert (report.second_opinion, report.notes) == (None, ())


def test_what_agrees_is_a_figure_and_a_note_and_no_finding():
    parts = stack(Second())
    report = reported(parts)
    found = report.second_opinion
    assert (found.about, found.source, found.asked, found.compared, found.agreed) == ("test", "other", 6, 6, 6)
    assert (found.compared_by_chance, found.agreed_by_chance) == (3, 3)
    assert found.calls == parts.second_source.calls > 0
    assert report.notes == ("second opinion of other: 6 of 6 sessions agree, 3 of 3 of those drawn by chance",)
    assert "second_opinion" not in rules_of(report)


def test_a_second_opinion_changes_nothing_else_in_the_report():
    plain, asked = reported(stack()), reported(stack(Second()))
    assert without_opinion(plain) == without_opinion(asked)


def test_what_disagrees_is_a_finding_that_names_both_values():
    parts = stack(Second(vendor([10.0, 10.1, 10.2, 10.3, 99.0], "other")), second_cells=10)
    report = reported(parts)
    (finding,) = report.anomalies
    assert finding.rule == "second_opinion"
    assert (finding.count, finding.verdict, finding.severity) == (2, Verdict.FLAG, Severity.WARNING)
    assert finding.examples == tuple(
        f"{code} 2024-01-12: open 10.4 (test) against 99 (other); high 10.4 (test) against 99 (other); "
        "low 10.4 (test) against 99 (other); close 10.4 (test) against 99 (other); "
        "amount 10400 (test) against 99000 (other)"
        for code in (A, B)
    )
    found = report.second_opinion
    assert (found.asked, found.compared, found.agreed) == (10, 10, 8)
    # It is stored, and it is a warning: no alert that something is certainly wrong.
    assert parts.bars.read([A], DAILY, date(2024, 1, 12), date(2024, 1, 12)).table["close"].to_pylist() == [10.4]
    assert AlertKind.VALIDATION_ERROR not in [alert.kind for alert in parts.notifications.alerts]


def test_what_the_other_does_not_have_is_not_comparable():
    parts = stack(Second(vendor(source="other", codes=(A,))), second_cells=10)
    found = reported(parts).second_opinion
    assert (found.asked, found.compared, found.agreed) == (10, 5, 5)
    (note,) = parts.quality.reports(1)[0].notes
    assert note.endswith("; of 5 it has no bars to compare")


def test_an_other_source_that_has_nothing_at_all_has_no_opinion():
    report = reported(stack(Second(vendor(source="other", codes=("000002.SZ",)))))
    assert (report.second_opinion.compared, report.second_opinion.agreed) == (0, 0)
    assert rules_of(report) == []
    assert report.notes == ("second opinion of other: 0 of 0 sessions agree; of 6 it has no bars to compare",)


def test_bars_of_the_other_that_are_no_bars_are_no_opinion():
    report = reported(stack(Second(vendor([-1.0] * 5, "other"))))
    assert (report.second_opinion.compared, report.second_opinion.asked) == (0, 6)
    assert "second_opinion" not in rules_of(report)
    said = "second opinion of other: bars of its own that cannot be right were not compared: "
    assert report.notes[-1].startswith(f"{said}negative_price 6")


def walking(codes: tuple[str, ...], days: Sequence[np.datetime64], source: str = "test") -> BarBatch:
    """Return quiet bars that no rule flags: each code goes up and down by a few ticks."""
    parts = []
    for number, code in enumerate(codes):
        closes = [10.0 + (number + at) % 3 / 20 for at in range(len(days))]
        volumes = [1000.0 + 100 * number + at for at in range(len(days))]
        before = [closes[0], *closes[:-1]]
        parts.append(bars(code, days, closes, pre_closes=before, volumes=volumes, source=source))
    return BarBatch.concat(parts)


def test_what_looks_strange_is_asked_about_and_by_chance_others():
    """A copy of the day before, among 400 bars, is nothing that chance would find; a rule sees it."""
    days, codes = SESSIONS[:10], tuple(f"{number:06d}.SZ" for number in range(1, 41))
    whole, copier = walking(codes, days, "other"), codes[7]
    table = walking(codes, days).table
    rows = np.arange(len(table))
    place = 7 * len(days) + 4
    shown = table.take(np.where(rows == place, rows - 1, rows)).to_pydict()
    for name in ("session", "timestamp"):
        shown[name] = table[name].to_pylist()
    first = BarBatch.of(pa.table({name: pa.array(shown[name], _plain(table.schema.field(name))) for name in shown}))
    parts = Stack(
        source=InMemoryBarSource(first, VENDOR),
        second_source=Second(whole),
        securities=listed(codes, days[0].item()),
        second_cells=2,
    )
    parts.round.run([delivery(CollectBars(codes, full=True, end=days[-1].item()), sent=NOW)])
    (report,) = parts.quality.reports(1)
    assert "stale_copy" in rules_of(report)
    (finding,) = [finding for finding in report.anomalies if finding.rule == "second_opinion"]
    assert (finding.count, finding.examples[0].split(":")[0]) == (1, f"{copier} {days[4]}")
    found = report.second_opinion
    assert (found.asked, found.compared_by_chance, found.agreed_by_chance, found.agreed) == (4, 2, 2, 3)


def _plain(column: pa.Field) -> pa.DataType:
    return pa.string() if pa.types.is_dictionary(column.type) else column.type


# -- what is asked ---------------------------------------------------------------------------------------------


def test_the_same_job_asks_about_the_same_sessions():
    asked = []
    for _ in range(2):
        parts = stack(Second(), second_cells=2)
        reported(parts)
        asked.append([request.wanted.pairs() for request in parts.second_source.requests])
    assert asked[0] == asked[1] != []


def test_the_fewest_calls_are_made_that_the_source_allows():
    codes = tuple(f"{number:06d}.SZ" for number in range(1, 61))
    whole = market(codes, SESSIONS[10:15])
    for capabilities, most in ((OTHER, 5), (replace(BY_CODE, name="other"), 1)):
        parts = Stack(
            source=InMemoryBarSource(whole, VENDOR),
            second_source=Second(whole, capabilities),
            securities=listed(codes),
            second_cells=20,
        )
        parts.round.run([delivery(CollectBars(codes, full=True), sent=NOW)])
        (report,) = parts.quality.reports(1)
        assert report.second_opinion.agreed == report.second_opinion.compared == 40
        assert 1 <= parts.second_source.calls <= most


def test_a_call_is_planned_for_all_that_the_source_sends_along():
    """Its replies hold 60 rows, and it sends every session between the first and the last of those asked about."""
    codes = tuple(f"{number:06d}.SZ" for number in range(1, 31))
    whole = walking(codes, SESSIONS[10:15], "other")
    parts = Stack(
        source=InMemoryBarSource(walking(codes, SESSIONS[10:15]), VENDOR),
        second_source=Second(whole, replace(BY_CODE, name="other", row_limit=60)),
        securities=listed(codes),
        second_cells=20,
    )
    parts.round.run([delivery(CollectBars(codes, full=True), sent=NOW)])
    (report,) = parts.quality.reports(1)
    assert (report.second_opinion.asked, report.second_opinion.agreed) == (40, 40)
    assert 2 <= report.second_opinion.calls <= 3


def test_a_job_that_stores_nothing_asks_nothing():
    parts = stack(Second())
    reported(parts)
    before = parts.second_source.calls
    parts.clock.advance(60)
    parts.round.run([delivery(CollectBars((A, B)), offset=1, sent=parts.clock.now())])
    newest = parts.quality.reports(1)[0]
    assert (newest.second_opinion, newest.notes, parts.second_source.calls) == (None, (), before)


def test_a_forced_job_is_looked_at_although_it_writes_nothing():
    parts = stack(Second())
    reported(parts)
    parts.clock.advance(60)
    parts.round.run([delivery(CollectBars((A,), DAILY, date(2024, 1, 8), force=True), 1, sent=parts.clock.now())])
    newest = parts.quality.reports(1)[0]
    assert newest.records_written == 0
    # Three by chance and three that look strange, of five: which coincide follows from the report's id.
    assert 3 <= newest.second_opinion.asked == newest.second_opinion.agreed <= 5


def test_where_the_rule_is_silent_nobody_is_asked():
    parts = stack(Second(), rules=DEFAULT_RULES.silenced("second_opinion"))
    assert reported(parts).second_opinion is None
    assert parts.second_source.calls == 0


def test_the_rules_numbers_are_those_of_the_configuration():
    rules = DEFAULT_RULES.tuned(DEFAULT_RULES["second_opinion"].tuned(ticks=11))
    off = vendor([close + 0.11 for close in CLOSES], "other")
    assert "second_opinion" in rules_of(reported(stack(Second(off))))
    assert "second_opinion" not in rules_of(reported(stack(Second(off), rules=rules)))


# -- when it cannot be had -------------------------------------------------------------------------------------


def failing():
    raise SourceUnavailable("the other is away")


def breaking():
    raise ZeroDivisionError("a bug of the other")


def unknown():
    return Unknown(UnknownReason.BAD_TOKEN, "HTTP 403", calls=1)


@pytest.mark.parametrize(
    ("this", "note", "asked"),
    [
        (failing, "no second opinion: SourceUnavailable: the other is away", False),
        (breaking, "no second opinion: ZeroDivisionError: a bug of the other", False),
        (unknown, "second opinion of other: no answer about 6 sessions: bad_token: HTTP 403", True),
    ],
)
def test_trouble_with_the_other_is_a_note_and_the_job_is_done(this, note, asked):
    plain = reported(stack())
    report = reported(stack(Answering(this)))
    assert report.notes[-1] == note
    assert without_opinion(report) == without_opinion(plain)
    assert (report.second_opinion is not None) is asked
    assert report.unknown == {}


def test_a_source_that_cannot_even_be_opened_is_a_note():
    parts = stack(Second())

    def broken():
        raise OSError("no such file")

    opinion = replace(parts.second_opinion, source=broken)
    dispatcher = replace(parts.round.dispatcher, second_opinion=opinion)
    replace(parts.round, dispatcher=dispatcher).run([delivery(CollectBars((A, B), full=True), sent=NOW)])
    assert parts.quality.reports(1)[0].notes == ("no second opinion: OSError: no such file",)


def test_one_call_is_made_and_not_repeated():
    parts = stack(Answering(lambda: Unknown(UnknownReason.SERVER_ERROR, "HTTP 502")))
    report = reported(parts)
    assert parts.second_source.calls == len({str(r.wanted.pairs()) for r in parts.second_source.requests})
    assert report.second_opinion.calls == parts.second_source.calls


def is_stored(parts: Stack) -> bool:
    return bool(parts.bars.held([A], DAILY, date(2024, 1, 8), date(2024, 1, 12)))


def test_without_time_nothing_is_asked():
    parts = stack(Second())
    report = reported(parts, Hooks(go_on=lambda: not is_stored(parts)))
    assert report.records_written == 10
    assert report.notes == ("no second opinion: there was no time left for it in the round",)
    assert (report.second_opinion, parts.second_source.calls) == (None, 0)


def test_a_worker_that_stops_asks_nothing():
    parts = stack(Second())
    report = reported(parts, Hooks(stopping=lambda: is_stored(parts)))
    assert report.records_written == 10
    assert (report.second_opinion, parts.second_source.calls) == (None, 0)


def test_a_source_that_hangs_is_left_alone_after_a_while():
    release = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        parts = stack(pool=pool)

        def hang():
            parts.clock.advance(PATIENCE + 10)
            release.wait(30)
            return Unknown(UnknownReason.TIMED_OUT, "late")

        parts.second_source = Answering(hang)
        try:
            # The clock has moved on before anybody looks; its last patience is the clock's, too.
            ticking = Hooks(go_on=lambda: (parts.clock.advance(3), True)[1])
            report = reported(parts, ticking)
        finally:
            release.set()
    assert report.notes[-1] == "second opinion of other: no time for 6 sessions"
    assert (report.second_opinion.asked, report.second_opinion.compared) == (6, 0)
    assert report.records_written == 10


def test_a_series_that_the_other_does_not_have_is_a_note():
    minutes = InMemoryBarSource(bars(A, FIVE, series=MINUTES_5), replace(VENDOR, row_limit=100_000))
    parts = Stack(source=minutes, second_source=Second(), securities=listed([A]))
    parts.round.run([delivery(CollectBars((A,), Series(MINUTES_5.frequency), date(2024, 1, 8)), sent=NOW)])
    (report,) = parts.quality.reports(1)
    assert report.records_written == 240
    assert report.notes == ("no second opinion: other has no bars of 5m/none",)
    assert parts.second_source.calls == 0


def test_a_source_has_no_second_opinion_of_itself():
    parts = stack(Second(capabilities=replace(OTHER, name="test")))
    assert reported(parts).notes == ("no second opinion: the bars are from test itself",)
    assert parts.second_source.calls == 0


# -- where it is kept ------------------------------------------------------------------------------------------


def test_the_wire_has_the_specifications_keys_with_the_note_and_the_finding_among_them():
    parts = stack(Second(vendor([10.0, 10.1, 10.2, 10.3, 99.0], "other")), second_cells=10)
    report = reported(parts)
    sent = encode_report(report)
    assert set(sent) == set(encode_report(reported(stack())))
    assert "second_opinion" not in sent
    assert list(faults(sent, report_schema())) == []
    assert any("8 of 10 sessions agree" in note for note in sent["notes"])
    assert "second_opinion" in [finding["rule"] for finding in sent["anomalies"]]
    assert decode_report(sent) == replace(report, second_opinion=None)
    assert isinstance(report.second_opinion, Agreement)
