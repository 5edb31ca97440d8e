"""What `send --wait` makes of the messages of the notification topic. No broker."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from ginkgo_data.adapters.kafka.report_wire import encode_report
from ginkgo_data.domain.model.coverage import CoverageCounts
from ginkgo_data.domain.model.quality import DataQualityReport
from ginkgo_data.entrypoints.request_watch import DONE, NOT_DONE, AnswerWatch, OutcomeWatch
from ginkgo_data.entrypoints.show_send import figures


def ended(*outcomes, report_id=None):
    return {"type": "command_ended", "node_id": "a", "data": {"outcomes": list(outcomes), "report_id": report_id}}


def one(record, ends="done", parked=0, request_id="r", **more):
    return {
        "request_id": request_id,
        "delivery_id": "t-0-1",
        "record": record,
        "outcome": ends,
        "parked": parked,
        **more,
    }


@pytest.fixture
def watch():
    return OutcomeWatch("r")


def report(report_id="p", request_ids=("r",)):
    return DataQualityReport(
        report_id=report_id,
        node_id="a",
        command="bar_snapshot",
        series="1d/none",
        request_ids=request_ids,
        created_at=datetime(2026, 8, 15, tzinfo=UTC),
        window=(date(2024, 1, 2), date(2024, 1, 5)),
        records_expected=10,
        records_actual=9,
        records_failed=0,
        records_skipped=0,
        records_written=9,
        success_rate=1.0,
        coverage=CoverageCounts(due=10, held=9, absent=0, unexplained=1),
        missing_rate=0.1,
        calls=2,
        inserts=1,
        duration_seconds=1.5,
    )


def test_a_command_done_in_one_go_is_over_with_its_record(watch):
    assert not watch.over
    watch.take(ended(one("t-0-1")))
    assert watch.over
    assert watch.code == DONE


def test_a_command_is_over_when_all_that_was_parked_has_ended_in_whatever_order(watch):
    watch.take(ended(one("w-3-0")))
    assert not watch.over
    assert "1 of its 2 records" in watch.missing()
    watch.take(ended(one("t-0-1", "postponed", 2, reason="round over")))
    assert not watch.over
    assert "1 of its 3 records" in watch.missing()
    watch.take(ended(one("w-4-0")))
    assert watch.over


def test_a_telling_repeated_counts_once(watch):
    for _ in range(3):
        watch.take(ended(one("t-0-1", "postponed", 1)))
    assert not watch.over
    watch.take(ended(one("w-0-0")))
    assert watch.over


@pytest.mark.parametrize("ends", ["dead_letter", "ignored"])
def test_what_was_given_up_is_not_done(watch, ends):
    watch.take(ended(one("t-0-1", "postponed", 1), one("w-0-0", ends)))
    assert watch.over
    assert watch.code == NOT_DONE


def test_others_and_strange_messages_are_passed_over(watch):
    for message in (
        ended(one("t-0-1", request_id="another")),
        {"type": "command_ended", "data": {"outcomes": "none"}},
        {"type": "command_ended", "data": {"outcomes": [7, None]}},
        {"type": "command_ended", "data": None},
        {"type": "command_progress", "data": {"request_ids": 3}},
        {"type": "data_worker_quality_report"},
        {"type": ["x"]},
        {},
    ):
        assert watch.take(message) in ((), [])
    assert not watch.over
    watch.take(ended(one("t-0-1", parked="two")))
    assert watch.over


def test_progress_and_postponing_are_seen(watch):
    assert watch.take(ended(one("t-0-1", "postponed", 1, reason="round over"))) == ["goes on later: round over"]
    data = {"request_ids": ["x", "r"], "calls_done": 3, "calls_planned": 9, "rows": 700}
    watch.take({"type": "command_progress", "data": data})
    assert (watch.calls_done, watch.calls_planned, watch.rows) == (3, 9, 700)


def test_a_report_announced_is_awaited_and_known_by_its_id_or_by_the_request(watch):
    watch.take(ended(one("t-0-1"), report_id="p"))
    assert watch.awaited_reports
    watch.take(encode_report(report(request_ids=("x",))))
    assert not watch.awaited_reports
    watch.take(encode_report(report("q")))
    watch.take(encode_report(report("z", ("x",))))
    assert set(watch.reports) == {"p", "q"}
    assert figures(watch.reports["q"]) == (
        "1d/none: 2024-01-02 … 2024-01-05, 9 of 10 records held, missing 10.00%, 9 written, 0 rejected, 2 calls, 1.5 s"
    )
    assert "…" not in figures(replace(report(), window=None))


def answer(node, kind="heartbeat_test_answer", request_id="r", **more):
    return {"type": kind, "node_id": node, "data": {"request_id": request_id, **more}}


def test_a_word_for_all_is_over_when_every_worker_has_answered_once():
    watch = AnswerWatch("r", frozenset({"a", "b"}))
    assert watch.take(answer("a")) == ["a answered"]
    assert watch.take(answer("a")) == ()
    assert watch.take(answer("b", request_id="another")) == ()
    assert not watch.over
    assert watch.missing() == "no answer from b"
    watch.take(answer("b"))
    watch.take(answer("c"))  # a worker that came later
    assert watch.over
    assert watch.code == DONE


def test_a_reload_that_a_worker_refused_is_not_done():
    watch = AnswerWatch("r", frozenset({"a", "b"}))
    watch.take(answer("a", "reload_answer", outcome="applied"))
    lines = watch.take(answer("b", "reload_answer", outcome="refused", error="bad file"))
    assert lines == ["b answered: outcome refused, error bad file"]
    assert watch.over
    assert watch.code == NOT_DONE
