"""Commands that expired unread are made up for by one update, back to the last commit."""

from __future__ import annotations

from datetime import timedelta

from ginkgo_data.adapters.kafka.wire import decode_command, encode_work
from ginkgo_data.domain.model.commands import CollectBars
from ginkgo_data.domain.model.delivery import Partition, RawRecord
from ginkgo_data.domain.model.disposition import WorkItem
from ginkgo_data.domain.model.quality import AlertKind, Severity
from ginkgo_data.domain.model.stream import ExpiredRecords
from ginkgo_data.domain.services.expiry import USUAL_SESSIONS, earliest, expired_alert, make_up_for
from support.stack import NOW

LATE = ExpiredRecords(Partition("ginkgo.data.commands", 2), 40, 5, NOW - timedelta(days=3))
EARLY = ExpiredRecords(Partition("ginkgo.data.commands", 0), 10, 7, NOW - timedelta(days=9))
UNKNOWN = ExpiredRecords(Partition("ginkgo.data.commands", 1), 3, 1)


def test_the_update_reaches_back_to_the_last_commit_over_all_codes():
    made = make_up_for([LATE, EARLY], 12, NOW)
    assert made.body.command == CollectBars(None, sessions=12, word="update_data")
    assert made.request_id == "expired-ginkgo.data.commands-0-10"


def test_fewer_sessions_than_usual_or_an_unknown_time_mean_the_usual_ones():
    assert make_up_for([LATE], 1, NOW).body.command.sessions == USUAL_SESSIONS
    assert make_up_for([UNKNOWN], None, NOW).body.command.sessions == USUAL_SESSIONS


def test_the_earliest_time_counts_and_one_that_is_not_known_makes_all_unknown():
    assert earliest([LATE, EARLY]) == EARLY.since
    assert earliest([LATE, UNKNOWN]) is None


def test_the_update_survives_the_work_topic():
    made = make_up_for([EARLY], 12, NOW)
    value, headers = encode_work(WorkItem(made, (), 0, 0, NOW, "expired"))
    back = decode_command(RawRecord(Partition("ginkgo.data.commands.work", 0), 0, value, headers, NOW))
    assert (back.body.command, back.request_id) == (made.body.command, made.request_id)


def test_the_alert_says_what_is_gone_and_what_is_done():
    alert = expired_alert([EARLY, LATE], NOW)
    assert (alert.kind, alert.severity, alert.data["expired"]) == (AlertKind.COMMANDS_EXPIRED, Severity.ERROR, 12)
    assert "ginkgo.data.commands-0: 7 from 10 on" in alert.text
