"""What every alert memory promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from ginkgo_data.domain.model.quality import Alert, AlertKind, Severity
from ginkgo_data.ports.alert_memory import AlertMemory

WARNING = Alert(
    AlertKind.DATA_MISSING,
    Severity.WARNING,
    "Bars are missing",
    "7 % of 1d/none",
    datetime(2026, 8, 15, 13, 10, tzinfo=UTC),
    subject="1d/none",
)
ERROR = replace(WARNING, severity=Severity.ERROR)
INFO = replace(WARNING, severity=Severity.INFO)

PassTime = Callable[[float], None]


class AlertMemoryContract:
    """Subclasses provide the fixtures `memory`, `neighbour` (the same, seen by another worker) and `pass_time`."""

    cooldown = 3600.0
    """A silence; a real server's subclass has less patience."""

    def test_an_alert_is_news_once_for_the_whole_fleet(self, memory: AlertMemory, neighbour: AlertMemory) -> None:
        assert memory.is_news(WARNING, self.cooldown) is True
        assert memory.is_news(WARNING, self.cooldown) is False
        assert neighbour.is_news(WARNING, self.cooldown) is False

    def test_an_alert_of_another_kind_or_subject_is_news(self, memory: AlertMemory) -> None:
        assert memory.is_news(WARNING, self.cooldown)
        assert memory.is_news(replace(WARNING, subject="1m/none"), self.cooldown)
        assert memory.is_news(replace(WARNING, kind=AlertKind.DATA_DELAYED), self.cooldown)

    def test_other_words_about_the_same_are_no_news(self, memory: AlertMemory) -> None:
        memory.is_news(WARNING, self.cooldown)
        assert not memory.is_news(replace(WARNING, title="Bars", text="8 %", data={"rate": 0.08}), self.cooldown)

    def test_a_higher_severity_is_news_at_once_and_a_lower_one_is_not(self, memory: AlertMemory) -> None:
        assert memory.is_news(INFO, self.cooldown)
        assert memory.is_news(WARNING, self.cooldown)
        assert memory.is_news(ERROR, self.cooldown)
        assert not memory.is_news(ERROR, self.cooldown)
        assert not memory.is_news(WARNING, self.cooldown)
        assert not memory.is_news(INFO, self.cooldown)

    def test_it_is_told_again_after_the_cooldown(self, memory: AlertMemory, pass_time: PassTime) -> None:
        memory.is_news(ERROR, self.cooldown)
        pass_time(0.5 * self.cooldown)
        assert not memory.is_news(ERROR, self.cooldown)
        pass_time(0.6 * self.cooldown)
        assert memory.is_news(WARNING, self.cooldown)
        assert not memory.is_news(WARNING, self.cooldown)

    def test_a_silenced_repeat_does_not_lengthen_the_silence(self, memory: AlertMemory, pass_time: PassTime) -> None:
        memory.is_news(WARNING, self.cooldown)
        for _ in range(2):
            pass_time(0.4 * self.cooldown)
            assert not memory.is_news(WARNING, self.cooldown)
        pass_time(0.4 * self.cooldown)
        assert memory.is_news(WARNING, self.cooldown)

    def test_what_was_claimed_and_told_is_silenced_for_longer_by_all(
        self, memory: AlertMemory, neighbour: AlertMemory, pass_time: PassTime
    ) -> None:
        memory.is_news(WARNING, 0.2 * self.cooldown)
        memory.silence(WARNING, self.cooldown)
        pass_time(0.5 * self.cooldown)
        assert not neighbour.is_news(WARNING, self.cooldown)
        pass_time(0.7 * self.cooldown)
        assert neighbour.is_news(WARNING, self.cooldown)

    def test_a_claim_that_nobody_silences_ends(
        self, memory: AlertMemory, neighbour: AlertMemory, pass_time: PassTime
    ) -> None:
        memory.is_news(WARNING, 0.2 * self.cooldown)
        pass_time(0.3 * self.cooldown)
        assert neighbour.is_news(WARNING, self.cooldown)

    def test_a_silence_is_never_shortened_and_lets_worse_through(
        self, memory: AlertMemory, neighbour: AlertMemory, pass_time: PassTime
    ) -> None:
        memory.is_news(WARNING, self.cooldown)
        memory.silence(WARNING, 0.1 * self.cooldown)
        pass_time(0.5 * self.cooldown)
        assert not neighbour.is_news(WARNING, self.cooldown)
        assert neighbour.is_news(ERROR, self.cooldown)

    def test_the_end_of_an_alert_is_told_once(self, memory: AlertMemory, neighbour: AlertMemory) -> None:
        memory.is_news(WARNING, self.cooldown)
        assert neighbour.resolve(WARNING.key) is True
        assert memory.resolve(WARNING.key) is False
        assert memory.is_news(WARNING, self.cooldown) is True

    def test_the_end_of_what_was_never_told_is_no_news(self, memory: AlertMemory) -> None:
        memory.is_news(replace(WARNING, subject="1m/none"), self.cooldown)
        assert memory.resolve(WARNING.key) is False

    def test_the_end_is_told_even_when_the_silence_is_over_already(
        self, memory: AlertMemory, pass_time: PassTime
    ) -> None:
        memory.is_news(WARNING, self.cooldown)
        pass_time(1.1 * self.cooldown)
        assert memory.resolve(WARNING.key) is True
