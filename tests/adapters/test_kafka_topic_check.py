"""Which settings of our own topics are wrong. No broker."""

from __future__ import annotations

import pytest

from ginkgo_data.adapters.kafka.config import LARGEST_RECORD
from ginkgo_data.adapters.kafka.topic_check import dead_letter_faults, work_faults
from ginkgo_data.adapters.kafka.topics import WEEK_MS

WORK = {
    "cleanup.policy": "delete",
    "retention.ms": str(WEEK_MS),
    "retention.bytes": "-1",
    "max.message.bytes": str(LARGEST_RECORD),
}
LETTERS = {**WORK, "cleanup.policy": "compact", "retention.ms": "-1"}


def test_topics_as_we_make_them_and_more_generous_ones_have_no_faults():
    assert work_faults(WORK) == work_faults({**WORK, "retention.ms": "-1"}) == []
    assert dead_letter_faults(LETTERS) == dead_letter_faults({**LETTERS, "max.message.bytes": "99999999"}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cleanup.policy", "compact"),
        ("retention.ms", "7200000"),
        ("retention.bytes", "1000"),
        ("max.message.bytes", "1048588"),
    ],
)
def test_a_work_topic_that_loses_or_refuses_work_is_found(name, value):
    (fault,) = work_faults({**WORK, name: value})
    assert fault.startswith(f"{name} is {value}, wanted {WORK[name]}")


@pytest.mark.parametrize(
    ("name", "value"), [("cleanup.policy", "delete"), ("cleanup.policy", "compact,delete"), ("max.message.bytes", "1")]
)
def test_a_dead_letter_topic_that_loses_or_refuses_letters_is_found(name, value):
    (fault,) = dead_letter_faults({**LETTERS, name: value})
    assert fault.startswith(f"{name} is {value}, wanted {LETTERS[name]}")
