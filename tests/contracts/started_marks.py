"""What all started marks promise."""

from __future__ import annotations

from collections.abc import Callable

from ginkgo_data.ports.started_marks import StartedMarks

DAY = 86_400.0

PassTime = Callable[[float], None]


class StartedMarksContract:
    """Subclasses provide the fixtures `marks`, `neighbour` (the same, seen by another worker) and `pass_time`."""

    def test_what_was_never_begun_is_left_out(self, marks: StartedMarks) -> None:
        marks.begin(["a"])
        assert marks.counts(["a", "b"]) == {"a": 1}

    def test_every_beginning_counts_whoever_begins(self, marks: StartedMarks, neighbour: StartedMarks) -> None:
        marks.begin(["a", "b"])
        neighbour.begin(["b"])
        marks.begin(["b", "c"])
        assert neighbour.counts(["a", "b", "c"]) == marks.counts(["a", "b", "c"]) == {"a": 1, "b": 3, "c": 1}

    def test_an_id_named_twice_has_begun_once(self, marks: StartedMarks) -> None:
        marks.begin(["a", "b", "a"])
        assert marks.counts(["a", "a", "b"]) == {"a": 1, "b": 1}

    def test_what_has_ended_is_forgotten_for_all_and_counts_anew(
        self, marks: StartedMarks, neighbour: StartedMarks
    ) -> None:
        marks.begin(["a", "b"])
        marks.begin(["a"])
        neighbour.clear(["a", "never begun"])
        assert marks.counts(["a", "b"]) == {"b": 1}
        marks.begin(["a"])
        assert neighbour.counts(["a"]) == {"a": 1}

    def test_a_count_is_forgotten_a_day_after_the_latest_beginning(
        self, marks: StartedMarks, pass_time: PassTime
    ) -> None:
        marks.begin(["a", "b"])
        pass_time(DAY / 2)
        marks.begin(["a"])
        pass_time(DAY / 2 - 60.0)
        assert marks.counts(["a", "b"]) == {"a": 2, "b": 1}
        pass_time(60.0)
        assert marks.counts(["a", "b"]) == {"a": 2}
        pass_time(DAY / 2)
        assert marks.counts(["a", "b"]) == {}

    def test_any_number_of_ids_can_be_named_also_none(self, marks: StartedMarks) -> None:
        ids = [f"ginkgo.data.commands/3@{number}" for number in range(1201)]
        marks.begin([])
        marks.clear([])
        assert marks.counts([]) == {}
        marks.begin(ids)
        marks.begin(ids[1000:])
        counts = marks.counts(ids)
        assert (len(counts), sum(counts.values())) == (1201, 1402)
        marks.clear(ids)
        assert marks.counts(ids) == {}
