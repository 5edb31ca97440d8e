"""What every clock promises."""

from __future__ import annotations

import threading
from datetime import timedelta

from ginkgo_data.ports.clock import Clock


class ClockContract:
    """Subclasses provide the fixture `clock`."""

    def test_the_present_is_zoned_in_shanghai(self, clock: Clock) -> None:
        now = clock.now()
        assert (str(now.tzinfo), now.utcoffset()) == ("Asia/Shanghai", timedelta(hours=8))

    def test_a_wait_lasts_as_long_as_it_was_asked_for(self, clock: Clock) -> None:
        now, reading = clock.now(), clock.monotonic()
        assert clock.wait(0.02) is False
        # The two clocks of a host are read one after the other and have different grains.
        assert clock.monotonic() - reading >= 0.019
        assert clock.now() - now >= timedelta(seconds=0.019)

    def test_nothing_or_less_is_not_waited_for(self, clock: Clock) -> None:
        reading = clock.monotonic()
        assert clock.wait(0.0) is False
        assert clock.wait(-1.0) is False
        assert clock.monotonic() >= reading

    def test_an_interrupt_ends_a_wait_under_way(self, clock: Clock) -> None:
        answers: list[bool] = []

        def wait_until_interrupted() -> None:
            while not clock.wait(60.0):
                pass
            answers.append(True)

        waiting = threading.Thread(target=wait_until_interrupted, daemon=True)
        waiting.start()
        clock.interrupt()
        waiting.join(10.0)
        assert answers == [True]

    def test_after_an_interrupt_no_wait_lasts(self, clock: Clock) -> None:
        clock.interrupt()
        clock.interrupt()
        assert clock.wait(3600.0) is True
        assert clock.wait(3600.0) is True
