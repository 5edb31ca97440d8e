# Upstream: entrypoints.operator_cli
# Downstream: adapters.kafka, domain.model.errors, entrypoints.{operator_parts, show_letters}, rich
# Role: `ginkgo-data dlq`: the dead letters listed, shown, sent again, dropped
"""What an operator does with dead letters.

`replay` sends a letter's command again and then drops the letter; whoever dies in between leaves the letter, and a
second replay sends the command a second time: harmless, since a command means to make the data complete.

Exit codes: 0 done, 1 some letter could not be sent or dropped (each is said); a key that is unknown is wrong use.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.errors import TopicMissing
from ginkgo_data.adapters.kafka.kept_letter import KeptLetter
from ginkgo_data.adapters.kafka.letter_replay import NotReplayable
from ginkgo_data.adapters.kafka.letter_shelf import LetterShelf
from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.domain.model.errors import GinkgoDataError, MalformedCommand
from ginkgo_data.entrypoints.operator_parts import opened_producer, opened_shelf, operator_kafka, operator_settings
from ginkgo_data.entrypoints.show_letters import as_json, details, print_letter, print_letters, replayed

_NEAR_KEYS = 3

Letters = dict[str, KeptLetter]


def list_letters(file: Path | None, json_wanted: bool) -> int:
    """Print all letters, the one written last at the end."""
    with _shelf(file) as (_, letters, _):
        if json_wanted:
            _print_json([as_json(letter) for letter in letters.values()])
        else:
            print_letters(list(letters.values()))
    return 0


def show_letter(file: Path | None, key: str, json_wanted: bool) -> int:
    """Print everything about one letter, and what a replay would send."""
    with _shelf(file) as (shelf, letters, _):
        letter = _chosen(letters, [key])[0]
        try:
            plan = replayed(shelf.planned(letter))
        except NotReplayable as error:
            plan = {"not_possible": str(error)}
        if json_wanted:
            _print_json({**details(letter), "replay": plan})
        else:
            print_letter(letter, plan)
    return 0


def replay_letters(file: Path | None, keys: Sequence[str], everything: bool, sure: bool) -> int:
    """Send the commands of the letters again, and drop the letters."""

    def one(shelf: LetterShelf, letter: KeptLetter, producer: KafkaProducer) -> str:
        return f"sent again to {shelf.replay(letter, producer).topic}"

    return _each(file, keys, everything, sure, "replay", one)


def drop_letters(file: Path | None, keys: Sequence[str], everything: bool, sure: bool) -> int:
    """Delete the letters; their commands are gone then."""

    def one(shelf: LetterShelf, letter: KeptLetter, producer: KafkaProducer) -> str:
        shelf.drop(letter, producer)
        return "dropped"

    return _each(file, keys, everything, sure, "drop", one)


def _each(
    file: Path | None,
    keys: Sequence[str],
    everything: bool,
    sure: bool,
    what: str,
    do: Callable[[LetterShelf, KeptLetter, KafkaProducer], str],
) -> int:
    if bool(keys) == everything:
        raise MalformedCommand(f"dlq {what} takes either keys or --all")
    console, failed = Console(highlight=False, soft_wrap=True), 0
    with _shelf(file) as (shelf, letters, config):
        chosen = list(letters.values()) if everything else _chosen(letters, keys)
        if not chosen:
            console.print("there are no dead letters")
            return 0
        if everything and not sure and not _confirmed(what, len(chosen)):
            console.print("nothing was done")
            return 1
        with opened_producer(config) as producer:
            for letter in chosen:
                try:
                    console.print(f"{escape(letter.key)}: {escape(do(shelf, letter, producer))}")
                except GinkgoDataError as error:
                    failed += 1
                    console.print(f"{escape(letter.key)}: [red]kept:[/red] {escape(str(error))}")
    if failed:
        console.print(f"[red]{failed} of {len(chosen)} letters are still there[/red]")
    return 1 if failed else 0


def _confirmed(what: str, count: int) -> bool:
    """Ask, on a terminal; a script has said ``--all`` and cannot be asked."""
    if not sys.stdin.isatty():
        return True
    sys.stdout.write(f"{what} all {count} dead letters? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


@contextmanager
def _shelf(file: Path | None) -> Iterator[tuple[LetterShelf, Letters, KafkaConfig]]:
    config = operator_kafka(operator_settings(file))
    with opened_shelf(config) as shelf:
        try:
            letters = shelf.letters()
        except TopicMissing as error:
            raise TopicMissing(
                f"the dead letter topic {config.dead_letter_topic} does not exist; make it: ginkgo-data topics apply"
            ) from error
        yield shelf, letters, config


def _chosen(letters: Letters, keys: Sequence[str]) -> list[KeptLetter]:
    """Return the letters of `keys`, each once; raise `MalformedCommand` naming near keys of one that is unknown.

    An id as alerts and events tell it, a key without its time, is understood where one letter alone has it.
    """
    of_id: dict[str, list[str]] = defaultdict(list)
    for key in letters:
        of_id[key.partition("@")[0]].append(key)
    keys = [of_id[key][0] if key not in letters and len(of_id.get(key, ())) == 1 else key for key in keys]
    for key in keys:
        if key not in letters:
            near = difflib.get_close_matches(key, letters, _NEAR_KEYS, 0.5)
            known = f"nearest: {', '.join(near)}" if near else "see: ginkgo-data dlq list"
            raise MalformedCommand(f"there is no dead letter {key!r}, of {len(letters)}; {known}")
    return [letters[key] for key in dict.fromkeys(keys)]


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
