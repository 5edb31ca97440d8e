# Upstream: entrypoints.container
# Downstream: domain.model.disposition
# Role: Port dead_letters in memory
"""Dead letters that a test can read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from ginkgo_data.domain.model.disposition import DeadLetter


def letter_key(letter: DeadLetter) -> str:
    """Return the letter's identity where no wire knows a better one: its record's place, and its codes if any."""
    place = letter.delivery.record.delivery_id
    return f"{place}/{','.join(sorted(letter.codes))}" if letter.codes else place


class InMemoryDeadLetters:
    """Keeps one letter per identity, the last one written.

    `identify` is the wire's (a command keeps its first delivery's identity while it is parked again and
    again); without it a letter is known by its record's place.
    """

    def __init__(self, identify: Callable[[DeadLetter], str] = letter_key) -> None:
        self._identify = identify
        self._letters: dict[str, DeadLetter] = {}
        self._lock = threading.Lock()

    @property
    def letters(self) -> Mapping[str, DeadLetter]:
        """Letters by identity, in order of their first writing."""
        with self._lock:
            return dict(self._letters)

    def write(self, letter: DeadLetter) -> None:
        """Keep `letter`."""
        with self._lock:
            self._letters[self._identify(letter)] = letter
