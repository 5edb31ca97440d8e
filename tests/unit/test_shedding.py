"""Of a long plan a round keeps its share, by whole codes."""

from __future__ import annotations

import pytest

from ginkgo_data.domain.services.shedding import codes_to_shed

MARKET = None


@pytest.mark.parametrize(
    ("calls", "most", "shed"),
    [
        pytest.param([("A",), ("B",), ("C",)], 3, (), id="a plan within the share is kept whole"),
        pytest.param([("A",), ("B",), ("C",)], 2, ("C",), id="codes are kept in the order of the plan"),
        pytest.param([("A",), ("A",), ("A",), ("B",)], 2, ("B",), id="one code that takes more than the share is kept"),
        pytest.param([("A",), ("B",), ("B",), ("C",)], 2, ("B",), id="no code is kept with half of its calls"),
        pytest.param([("A", "B"), ("A", "B"), ("C",)], 2, ("C",), id="codes of the same calls stay together"),
        pytest.param([("A", "B"), ("A", "B"), ("C",)], 1, ("C",), id="a code that takes no more calls is kept"),
        pytest.param([("A", "B"), ("B", "C")], 1, ("B", "C"), id="a code of a call that is kept may have another one"),
        pytest.param([MARKET, MARKET, ("A",)], 1, ("A",), id="calls for the whole market are never left"),
        pytest.param([MARKET, ("A",), ("B",)], 2, ("B",), id="calls for the whole market count"),
        pytest.param([MARKET, MARKET], 1, (), id="a plan by session leaves nothing"),
    ],
)
def test_what_is_more_than_the_share_is_left_by_whole_codes(calls, most, shed):
    assert codes_to_shed(calls, most) == shed
