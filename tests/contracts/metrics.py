"""What every adapter of the port metrics does."""

from __future__ import annotations

import math
import threading

import pytest

from ginkgo_data.domain.model.measures import ALL, COMMANDS, INSERT_ROWS, Counted, Measured
from ginkgo_data.ports.metrics import Metrics


class MetricsContract:
    """Subclassed with a fixture `metrics`, and with `counted` and `values_of` that look into it."""

    def counted(self, metrics: Metrics, what: Counted, **labels: str) -> float:
        raise NotImplementedError

    def values_of(self, metrics: Metrics, what: Measured, **labels: str) -> tuple[int, float]:
        """Return how many values there are, and their sum."""
        raise NotImplementedError

    def test_amounts_add_up_by_labels(self, metrics: Metrics) -> None:
        metrics.count(COMMANDS, command="tick", outcome="done")
        metrics.count(COMMANDS, 2.5, command="tick", outcome="done")
        metrics.count(COMMANDS, command="tick", outcome="postponed")
        assert self.counted(metrics, COMMANDS, command="tick", outcome="done") == 3.5
        assert self.counted(metrics, COMMANDS, command="tick", outcome="postponed") == 1.0

    def test_values_are_a_distribution(self, metrics: Metrics) -> None:
        for rows in (10, 1000):
            metrics.measure(INSERT_ROWS, rows, table="bars")
        metrics.measure(INSERT_ROWS, 5, table="ticks")
        assert self.values_of(metrics, INSERT_ROWS, table="bars") == (2, 1010.0)

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_what_is_no_number_is_left_out(self, metrics: Metrics, value: float) -> None:
        metrics.count(COMMANDS, value, command="tick", outcome="done")
        metrics.measure(INSERT_ROWS, value, table="bars")
        assert self.counted(metrics, COMMANDS, command="tick", outcome="done") == 0.0
        assert self.values_of(metrics, INSERT_ROWS, table="bars") == (0, 0.0)

    def test_other_labels_than_the_measures_own_are_refused(self, metrics: Metrics) -> None:
        with pytest.raises(ValueError):
            metrics.count(COMMANDS, command="tick")
        with pytest.raises(ValueError):
            metrics.measure(INSERT_ROWS, 1, table="bars", code="000001.SZ")

    def test_the_whole_vocabulary_is_known(self, metrics: Metrics) -> None:
        for what in ALL:
            labels = dict.fromkeys(what.labels, "x")
            if isinstance(what, Counted):
                metrics.count(what, **labels)
                assert self.counted(metrics, what, **labels) == 1.0
            else:
                metrics.measure(what, 2.0, **labels)
                assert self.values_of(metrics, what, **labels) == (1, 2.0)

    def test_threads_lose_nothing(self, metrics: Metrics) -> None:
        def many() -> None:
            for _ in range(500):
                metrics.count(COMMANDS, command="tick", outcome="done")

        threads = [threading.Thread(target=many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.counted(metrics, COMMANDS, command="tick", outcome="done") == 2000.0
