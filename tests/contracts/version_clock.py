"""What every clock of row versions promises."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

from ginkgo_data.ports.version_clock import VersionClock

HOUR = 3_600_000_000


class VersionClockContract:
    """Subclasses provide the fixture `clock`, never synchronised, on a clock that tells the real time."""

    def test_a_version_is_the_present_in_microseconds_since_1970(self, clock: VersionClock) -> None:
        assert abs(clock.version() - time.time_ns() // 1000) < HOUR

    def test_each_version_is_greater_than_the_last(self, clock: VersionClock) -> None:
        versions = [clock.version() for _ in range(2000)]
        assert all(later > earlier for earlier, later in itertools.pairwise(versions))

    def test_synchronising_never_turns_it_back(self, clock: VersionClock) -> None:
        versions = []
        for _ in range(20):
            versions += [clock.version() for _ in range(50)]
            clock.synchronise()
        assert versions == sorted(set(versions))

    def test_threads_never_get_the_same_version(self, clock: VersionClock) -> None:
        with ThreadPoolExecutor(8) as pool:
            given = list(pool.map(lambda _: [clock.version() for _ in range(500)], range(8)))
        everything = [version for versions in given for version in versions]
        assert len(set(everything)) == len(everything)
        assert all(versions == sorted(versions) for versions in given)
