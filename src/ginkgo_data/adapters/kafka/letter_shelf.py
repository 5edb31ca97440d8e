# Upstream: entrypoints.{letters, operator_parts, status}
# Downstream: adapters.kafka.{config, kept_letter, letter_replay, producer, topic_reader}
# Role: The dead letters that are kept: read, counted, sent again, dropped
"""The dead letter topic as an operator sees it: the latest record of each key, without the tombstones."""

from __future__ import annotations

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.kept_letter import KeptLetter, letter_of
from ginkgo_data.adapters.kafka.letter_replay import Replay, replay_of
from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.adapters.kafka.topic_reader import TopicReader


class LetterShelf:
    """The letters of `config.dead_letter_topic`; used by one thread. The owner closes the reader."""

    def __init__(self, config: KafkaConfig, reader: TopicReader) -> None:
        self._config = config
        self._reader = reader

    def letters(self) -> dict[str, KeptLetter]:
        """Return the letters by key, the one that was written last at the end.

        Raises `TopicMissing`, `BrokerUnavailable`.
        """
        found: dict[str, KeptLetter] = {}
        for record in self._reader.until_end(self._config.dead_letter_topic):
            key = (record.key or b"").decode("utf-8", "backslashreplace")
            found.pop(key, None)
            letter = letter_of(record)
            if letter is not None:
                found[key] = letter
        return found

    def planned(self, letter: KeptLetter) -> Replay:
        """Return what `replay` would send. Raises `NotReplayable`, `BrokerUnavailable`."""
        origin = letter.origin
        needed = letter.cut is not None and origin is not None
        whole = self._reader.at(origin.topic, origin.number, origin.offset) if needed and origin else None
        return replay_of(letter, self._config.topics, whole)

    def replay(self, letter: KeptLetter, producer: KafkaProducer) -> Replay:
        """Send the letter's command again, acknowledged, then drop the letter; return what was sent.

        Whoever dies in between leaves the letter, and a second replay sends the command a second time: harmless,
        since a command means to make the data complete. Raises `NotReplayable`, `TopicMissing`, `RecordTooLarge`,
        `BrokerUnavailable`; the letter is then still there.
        """
        sent = self.planned(letter)
        producer.send(sent.topic, sent.value, sent.key, sent.headers)
        self.drop(letter, producer)
        return sent

    def drop(self, letter: KeptLetter, producer: KafkaProducer) -> None:
        """Write the letter's tombstone, acknowledged. Raises `BrokerUnavailable`."""
        producer.send(self._config.dead_letter_topic, None, letter.record.key)


class LetterCount:
    """How many letters there are, asked again and again: only what is new is read."""

    def __init__(self, config: KafkaConfig, reader: TopicReader) -> None:
        self._topic = config.dead_letter_topic
        self._reader = reader
        self._keys: set[bytes] = set()
        self._next: dict[int, int] = {}

    def count(self) -> int:
        """Return the number of letters. Raises `TopicMissing`, `BrokerUnavailable`."""
        bounds = self._reader.bounds(self._topic)
        if any(number not in bounds or bounds[number][1] < offset for number, offset in self._next.items()):
            # The topic was deleted and made anew.
            self._keys.clear()
            self._next.clear()
        for record in self._reader.until_end(self._topic, self._next):
            self._next[record.partition.number] = record.offset + 1
            if record.key:
                (self._keys.discard if record.value is None else self._keys.add)(record.key)
        return len(self._keys)
