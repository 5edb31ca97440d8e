"""The states of a worker."""

from __future__ import annotations

from itertools import product

import pytest

from ginkgo_data.domain.model.errors import InvalidTransition
from ginkgo_data.domain.model.worker import WorkerStatus, transition

STOPPED, STARTING, RUNNING, STOPPING, ERROR = WorkerStatus

ALLOWED = {
    (STOPPED, STARTING),
    (STARTING, RUNNING),
    (STARTING, STOPPING),
    (STARTING, ERROR),
    (RUNNING, STOPPING),
    (RUNNING, ERROR),
    (STOPPING, STOPPED),
    (STOPPING, ERROR),
    (ERROR, STARTING),
    (ERROR, STOPPING),
}


def test_states_have_the_numbers_and_names_of_upstream() -> None:
    numbered = {status.name: status.value for status in WorkerStatus}
    assert numbered == {"STOPPED": 0, "STARTING": 1, "RUNNING": 2, "STOPPING": 3, "ERROR": 4}


@pytest.mark.parametrize(("current", "wanted"), sorted(ALLOWED))
def test_an_allowed_transition_gives_the_wanted_state(current: WorkerStatus, wanted: WorkerStatus) -> None:
    assert transition(current, wanted) is wanted


@pytest.mark.parametrize(("current", "wanted"), sorted(set(product(WorkerStatus, repeat=2)) - ALLOWED))
def test_every_other_transition_is_refused_and_names_both_states(current: WorkerStatus, wanted: WorkerStatus) -> None:
    with pytest.raises(InvalidTransition, match=f"{current.name} cannot become {wanted.name}; allowed: "):
        transition(current, wanted)


def test_a_refusal_names_what_is_allowed() -> None:
    with pytest.raises(InvalidTransition, match=r"allowed: ERROR, STOPPING$"):
        transition(RUNNING, STOPPED)
