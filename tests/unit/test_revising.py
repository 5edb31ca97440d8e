"""Vendor corrections and withdrawals are kept, seen and counted; what is equal is not written again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from ginkgo_data.domain.model.bars import BarBatch
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.coverage import AbsenceReason, Absences, Cells
from ginkgo_data.domain.model.errors import StoreUnavailable
from ginkgo_data.domain.model.fetch import Unknown, UnknownReason
from ginkgo_data.domain.model.quality import REJECT_SCHEMA, Rejects
from ginkgo_data.domain.model.series import DAILY, Adjust, Frequency, Series
from ginkgo_data.domain.services import revising
from ginkgo_data.domain.services.contents import content_hashes, contents
from ginkgo_data.domain.services.landing import asked_again
from support.bars import bars, business_days, market
from support.stack import BY_CODE, FIVE, VENDOR, InMemoryBarSource, Stack, listed

A, B = "000001.SZ", "600519.SH"
WEEK = CollectBars((A,), start=date(2024, 1, 8), end=date(2024, 1, 12), force=True)
SPAN = (date(2024, 1, 8), date(2024, 1, 12))
MINUTES = Series(Frequency.MIN60)


class Vendor:
    """A source whose rows a test may change."""

    def __init__(self, known: BarBatch, capabilities=BY_CODE, suspended: Absences | None = None) -> None:
        self.capabilities = capabilities
        self.become(known, suspended)

    def become(self, known: BarBatch, suspended: Absences | None = None) -> None:
        self._inner = InMemoryBarSource(known, capabilities=self.capabilities, suspended=suspended or Absences.empty())

    def fetch(self, request):
        return self._inner.fetch(request)


def stack(known: BarBatch, capabilities=BY_CODE, **more: object) -> Stack:
    return Stack(source=Vendor(known, capabilities), **more)


def collect(parts: Stack, command: CollectBars = WEEK, **more: object):
    parts.clock.advance(60)
    return parts.collector.collect(command, since=parts.clock.now(), **more)


def stored(parts: Stack, code: str = A, series: Series = DAILY) -> list[tuple[str, float]]:
    table = parts.bars.read([code], series, *SPAN).table
    return list(zip(map(str, table["session"].to_pylist()), table["close"].to_pylist(), strict=True))


def history(parts: Stack, series: Series = DAILY) -> list[dict[str, object]]:
    return parts.revisions.revisions(None, series, *SPAN).table.to_pylist()


def test_force_keeps_old_and_new_value_with_both_fetch_times_and_the_request():
    parts = stack(bars(A, FIVE))
    collect(parts)
    first = parts.bars.read([A], DAILY, *SPAN).table["version"].to_pylist()[1]
    parts.source.become(bars(A, FIVE, closes=[10.0, 10.5, 10.0, 10.0, 10.0]))
    result = collect(parts, request_of=lambda code: f"r-1 for {code}")
    assert (result.written, result.skipped) == (1, 4)
    assert stored(parts)[1] == ("2024-01-09", 10.5)
    (row,) = history(parts)
    assert (row["code"], str(row["session"]), row["withdrawn"]) == (A, "2024-01-09", False)
    assert (row["old_close"], row["new_close"]) == (10.0, 10.5)
    assert (row["old_amount"], row["new_amount"]) == (10_000.0, 10_500.0)
    assert (row["old_version"], row["request"]) == (first, f"r-1 for {A}")
    assert row["version"] == parts.bars.read([A], DAILY, *SPAN).table["version"].to_pylist()[1] > first
    assert any("corrected by the vendor: 1" in note for note in result.notes)


def test_what_is_equal_is_not_written_again_and_yet_fetched_since():
    parts = stack(bars(A, FIVE))
    collect(parts)
    versions = parts.bars.read([A], DAILY, *SPAN).table["version"].to_pylist()
    result = collect(parts)
    assert (result.calls, result.written, result.inserts, result.skipped) == (1, 0, 0, 5)
    assert parts.bars.read([A], DAILY, *SPAN).table["version"].to_pylist() == versions
    since = parts.clock.now()
    again = parts.collector.collect(WEEK, since=since)
    assert (again.calls, again.counts.held) == (0, 5)
    parts.clock.advance(1)
    assert parts.collector.collect(WEEK, since=parts.clock.now()).calls == 1
    assert history(parts) == []


@pytest.mark.parametrize(
    "change",
    [
        {"closes": [10.000001]},
        {"volumes": [1001.0], "amounts": [10_000.0]},
        {"amounts": [10_000.01]},
        {"pre_closes": [None]},
        {"amounts": [None]},
    ],
    ids=["price", "volume", "amount", "no pre_close", "no amount"],
)
def test_every_value_of_a_bar_may_be_corrected(change):
    parts = stack(bars(A, FIVE[:1]))
    day = replace(WEEK, end=date(2024, 1, 8))
    collect(parts, day)
    corrected = bars(A, FIVE[:1], **{"opens": [10.0], "highs": [10.000001], "lows": [10.0]} | change)
    parts.source.become(corrected)
    collect(parts, day)
    collect(parts, day)
    assert len(history(parts)) == 1
    table = parts.bars.read([A], DAILY, *SPAN).table
    for name in ("close", "pre_close", "volume", "amount"):
        assert table[name].to_pylist() == corrected.table[name].to_pylist()


def test_noise_beyond_six_decimals_is_no_correction():
    parts = stack(bars(A, FIVE[:1], closes=[0.3]))
    collect(parts)
    parts.source.become(bars(A, FIVE[:1], closes=[0.1 + 0.2], amounts=[300.0]))
    assert (collect(parts).skipped, history(parts)) == (1, [])


def test_a_crash_between_revision_and_bar_keeps_the_old_value_and_repeats_into_the_same_row():
    class Dies:
        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def write(self, batch):
            raise StoreUnavailable("the store is gone")

    parts = stack(bars(A, FIVE))
    collect(parts)
    parts.source.become(bars(A, FIVE, closes=[10.5] * 5))
    whole = parts.bars
    parts.bars = Dies(whole)
    with pytest.raises(StoreUnavailable):
        collect(parts)
    assert len(history(parts)) == 5
    parts.bars = whole
    assert collect(parts).written == 5
    assert [(row["old_close"], row["new_close"]) for row in history(parts)] == [(10.0, 10.5)] * 5


def test_a_value_that_goes_back_is_a_revision_of_its_own():
    parts = stack(bars(A, FIVE[:1]))
    for close in (10.0, 10.5, 10.0):
        parts.source.become(bars(A, FIVE[:1], closes=[close]))
        collect(parts)
    assert [(row["old_close"], row["new_close"]) for row in history(parts)] == [(10.0, 10.5), (10.5, 10.0)]


def test_a_forced_complete_answer_withdraws_what_the_vendor_has_no_more():
    parts = stack(bars(A, FIVE))
    collect(parts)
    parts.source.become(bars(A, [FIVE[0], *FIVE[2:]]))
    result = collect(parts)
    assert [day for day, _ in stored(parts)] == [FIVE[0], *FIVE[2:]]
    (row,) = history(parts)
    assert (row["withdrawn"], row["old_close"], row["new_close"], row["content_hash"]) == (True, 10.0, None, 0)
    assert (result.counts.held, result.counts.unexplained, result.written) == (4, 1, 0)
    assert any("withdrawn by the vendor: 1" in note for note in result.notes)
    assert parts.collector.collect(WEEK, since=parts.clock.now()).calls == 0
    collect(parts)
    assert len(history(parts)) == 1


def test_a_proven_emptiness_withdraws_too():
    gaps = Absences.of(((A, date.fromisoformat(day), AbsenceReason.SUSPENDED, "S") for day in FIVE), "test", 1)
    parts = stack(bars(A, FIVE))
    collect(parts)
    parts.source.become(BarBatch.empty(), gaps)
    result = collect(parts)
    assert (stored(parts), len(history(parts)), result.counts.absent) == ([], 5, 5)


def test_full_without_force_removes_nothing():
    parts = stack(bars(A, FIVE))
    collect(parts)
    parts.source.become(bars(A, FIVE[3:]))
    collect(parts, CollectBars((A,), full=True))
    assert len(stored(parts)) == 5


@pytest.mark.parametrize("reason", [UnknownReason.TRUNCATED, UnknownReason.EMPTY_WITHOUT_EVIDENCE])
def test_an_unknown_answer_withdraws_nothing(reason):
    class Away:
        capabilities = BY_CODE

        def fetch(self, request):
            return Unknown(reason, "cut")

    parts = stack(bars(A, FIVE))
    collect(parts)
    parts.source = Away()
    collect(parts)
    assert (len(stored(parts)), history(parts)) == (5, [])


def test_an_archive_withdraws_nothing_and_corrects():
    archive = replace(BY_CODE, extent=SPAN)
    parts = stack(bars(A, FIVE), archive)
    collect(parts)
    parts.source.become(bars(A, FIVE[:2], closes=[10.0, 10.5]))
    assert collect(parts).written == 1
    assert [close for _, close in stored(parts)] == [10.0, 10.5, 10.0, 10.0, 10.0]


def test_bars_of_another_source_are_not_withdrawn():
    parts = stack(bars(A, FIVE[1:]))
    parts.bars.write(bars(A, FIVE, source="files"))
    collect(parts)
    assert len(stored(parts)) == 5


def test_a_bar_whose_row_was_rejected_is_not_withdrawn_and_keeps_its_value():
    parts = stack(bars(A, FIVE))
    collect(parts)
    parts.source.become(bars(A, FIVE[:3], closes=[10.0, -1.0, 10.0]))
    collect(parts)
    assert [day for day, _ in stored(parts)] == list(FIVE[:3])
    assert stored(parts)[1] == (FIVE[1], 10.0)


def test_a_row_that_does_not_say_whose_it_was_keeps_everything():
    nameless = {name: [None] for name in REJECT_SCHEMA.names} | {"rule": ["missing_code"], "content_hash": [1]}

    class Garbled(Vendor):
        def fetch(self, request):
            return replace(super().fetch(request), rejects=Rejects.of(pa.table(nameless | {"version": [1]})))

    parts = stack(bars(A, FIVE))
    collect(parts)
    parts.source = Garbled(bars(A, FIVE[2:]))
    parts.quality.quarantine = lambda rejects: None
    collect(parts)
    assert [day for day, _ in stored(parts)] == list(FIVE)


def test_only_what_the_command_asked_for_is_withdrawn():
    market_calls = replace(VENDOR, codes_per_call=0)
    parts = stack(BarBatch.concat([bars(A, FIVE), bars(B, FIVE)]), market_calls)
    collect(parts, replace(WEEK, codes=(A, B)))
    parts.source.become(bars("600000.SH", FIVE[:1]))
    collect(parts, replace(WEEK, end=date(2024, 1, 8)))
    assert [day for day, _ in stored(parts)] == list(FIVE[1:])
    assert len(stored(parts, B)) == 5


def test_what_comes_along_with_a_hole_is_compared_with_what_is_held():
    parts = stack(bars(A, FIVE, closes=[10.0, 10.0, 10.5, 10.0, 10.0]))
    parts.bars.write(bars(A, [FIVE[0], FIVE[2], FIVE[4]], version=7))
    result = collect(parts, CollectBars((A,), start=SPAN[0], end=SPAN[1]))
    assert (result.written, result.skipped, stored(parts)[2][1]) == (3, 0, 10.5)
    assert [(row["old_version"], row["old_close"], row["new_close"]) for row in history(parts)] == [(7, 10.0, 10.5)]


def test_without_force_a_source_replaces_nothing_of_another():
    parts = stack(bars(A, FIVE, closes=[10.5] * 5))
    parts.bars.write(bars(A, [FIVE[2]], source="files"))
    result = collect(parts, CollectBars((A,), start=SPAN[0], end=SPAN[1]))
    assert (result.written, result.skipped) == (4, 1)
    assert [close for _, close in stored(parts)] == [10.5, 10.5, 10.0, 10.5, 10.5]
    assert history(parts) == []
    collect(parts)
    assert ([close for _, close in stored(parts)], len(history(parts))) == ([10.5] * 5, 1)


def test_an_answer_older_than_what_is_stored_neither_corrects_nor_withdraws():
    parts = Stack(source=None, securities=listed([A]))
    parts.bars.write(bars(A, FIVE, version=20))
    asked = asked_again(Cells.cross((A,), np.array(FIVE, "datetime64[D]")), Rejects.empty(), 19)
    late = revising.Revising(parts.bars, "test", True).compare(bars(A, FIVE[:2], [9.0, 10.0], version=19), asked)
    assert (len(late.to_write), len(late.unchanged), len(late.withdrawn), len(late.revisions)) == (0, 2, 0, 0)
    fresh = asked_again(Cells.cross((A,), np.array(FIVE, "datetime64[D]")), Rejects.empty(), 21)
    found = revising.Revising(parts.bars, "test", True).compare(bars(A, FIVE[:2], [9.0, 10.0], version=21), fresh)
    assert (len(found.to_write), len(found.unchanged), len(found.withdrawn), len(found.revisions)) == (1, 1, 3, 4)
    assert set(found.withdrawn.table["version"].to_pylist()) == {21}


def test_what_a_store_keeps_with_fewer_digits_is_unchanged_when_it_would_read_the_same():
    class Cents:
        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def kept(self, batch, stored):
            return bars(A, FIVE, closes=[round(close, 2) for close in batch.table["close"].to_pylist()], version=2)

    parts = Stack(source=None, securities=listed([A]))
    parts.bars.write(bars(A, FIVE, version=1))
    compare = revising.Revising(Cents(parts.bars), "test", True).compare
    nothing = revising.ASKED_SCHEMA.empty_table()
    assert len(compare(bars(A, FIVE, closes=[10.001] * 5, version=2), nothing).unchanged) == 5
    found = compare(bars(A, FIVE, closes=[10.011, *[10.0] * 4], version=2), nothing)
    assert found.to_write.table["close"].to_pylist() == [10.011]
    assert found.revisions.table["new_close"].to_pylist() == [10.01]


def test_what_a_store_does_not_take_for_a_change_of_what_it_has_is_no_revision():
    class Lenient:
        """Takes no amount for a change."""

        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def kept(self, batch, stored):
            amount = batch.table.schema.field("amount")
            return BarBatch(batch.table.set_column(9, amount, stored.table["amount"]), batch.series)

    parts = Stack(source=None, securities=listed([A]))
    parts.bars.write(bars(A, FIVE, amounts=[9_990.0] * 5, version=1))
    compare = revising.Revising(Lenient(parts.bars), "test", True).compare
    found = compare(bars(A, FIVE, amounts=[10_000.0] * 5, version=2), revising.ASKED_SCHEMA.empty_table())
    assert (len(found.unchanged), len(found.to_write), len(found.revisions)) == (5, 0, 0)


def test_minute_bars_are_compared_withdrawn_and_marked_again():
    minutes = replace(BY_CODE, series=frozenset({MINUTES}))
    whole = bars(A, FIVE, series=MINUTES)
    parts = stack(whole, minutes)
    week = replace(WEEK, series=MINUTES)
    collect(parts, week)
    changed = bars(A, FIVE, series=MINUTES, closes=[10.0] * 5 + [10.5] + [10.0] * 14)
    parts.source.become(changed.filter(np.arange(20) != 7).filter(np.arange(19) < 15))
    result = collect(parts, week)
    assert (result.written, result.skipped) == (1, 14)
    assert (len(stored(parts, series=MINUTES)), result.counts.held) == (15, 4)
    assert [row["withdrawn"] for row in history(parts, MINUTES)] == [False] + [True] * 5
    assert parts.collector.collect(week, since=parts.clock.now()).calls == 0
    assert [str(day) for day in parts.bars.held([A], MINUTES, *SPAN)[A]] == list(FIVE[:4])


def test_full_minute_sessions_of_an_archive_that_did_not_change_are_fetched_since():
    archive = replace(BY_CODE, series=frozenset({MINUTES}), extent=SPAN)
    known = BarBatch.concat([bars(A, FIVE[:4], series=MINUTES), bars(A, FIVE[4:], series=MINUTES, keep=2)], MINUTES)
    parts = stack(known, archive)
    week = replace(WEEK, series=MINUTES)
    collect(parts, week)
    result = collect(parts, week)
    assert (result.written, result.skipped, result.counts.held, result.counts.unexplained) == (0, 18, 4, 1)


def test_reads_of_the_store_stay_small_however_much_is_compared(monkeypatch):
    class Counts:
        def __init__(self, inner):
            self._inner, self.rows = inner, []

        def kept(self, batch, stored):
            return batch

        def read(self, codes, series, first, last):
            found = self._inner.read(codes, series, first, last)
            self.rows.append(len(found))
            return found

    monkeypatch.setattr(revising, "CELLS_PER_READ", 40)
    parts = Stack(source=None, securities=listed([A]))
    old_days, new_days = business_days("2019-01-01", 8), business_days("2024-01-01", 8)
    known = market(30, np.concatenate([old_days, business_days("2021-01-01", 100), new_days]))
    parts.bars.write(known)
    counting = Counts(parts.bars)
    days = known.table["session"].to_numpy()
    corrected = replace(known, table=_dated(known, 2)).filter((days <= old_days[-1]) | (days >= new_days[0]))
    found = revising.Revising(counting, "test", True).compare(corrected, revising.ASKED_SCHEMA.empty_table())
    assert (len(found.unchanged), len(found.to_write), len(found.revisions)) == (480, 0, 0)
    assert max(counting.rows) <= 40
    assert sum(counting.rows) == 480


def _dated(batch, version):
    place = batch.table.schema.get_field_index("version")
    field = batch.table.schema.field(place)
    return batch.table.set_column(place, field, [np.full(len(batch), version, np.uint64)])


def test_a_hash_tells_contents_apart_and_never_changes():
    rows = contents(market(20, business_days("2024-01-01", 50)).table)
    assert len(set(content_hashes(rows).tolist())) == len({tuple(row) for row in rows.tolist()}) == 1000
    (known,) = content_hashes(contents(bars(sessions=["2024-01-02"]).table)).tolist()
    assert known == 17032002257243168677
    empty = bars(sessions=["2024-01-02"], amounts=[None]).table
    assert content_hashes(contents(empty)).tolist() != [known]


def test_adjusted_series_have_a_history_of_their_own():
    qfq = Series(adjust=Adjust.QFQ)
    parts = stack(bars(A, FIVE, series=qfq), replace(BY_CODE, series=frozenset({qfq})))
    collect(parts, replace(WEEK, series=qfq))
    parts.source.become(bars(A, FIVE, closes=[5.0] * 5, series=qfq))
    collect(parts, replace(WEEK, series=qfq))
    assert (len(history(parts, qfq)), history(parts)) == (5, [])


def test_a_hundred_calls_of_one_job_are_compared_in_few_reads():
    codes = [f"{600000 + n}.SH" for n in range(100)]
    known = market(codes, FIVE)
    parts = stack(known, replace(BY_CODE, codes_per_call=1), securities=listed(codes))
    collect(parts, replace(WEEK, codes=None))
    reads = []
    inner = parts.bars

    class Counts:
        def __getattr__(self, name):
            return getattr(inner, name)

        def read(self, *asked):
            reads.append(asked)
            return inner.read(*asked)

    parts.bars = Counts()
    result = collect(parts, replace(WEEK, codes=None))
    assert (result.calls, result.skipped, len(reads)) == (100, 500, 1)
