# Upstream: entrypoints.{doctor, operator_cli}
# Downstream: adapters.kafka.{config, probe, topic_check, topics}, entrypoints.operator_parts, rich
# Role: `ginkgo-data topics`: our own topics made, all of them checked, what to do about each said
"""The topics this program lives on. Nothing is ever deleted; topics of others grow only when that is asked for.

Exit codes: 0 every topic is there and keeps what it is given, 1 not so (what to type is said).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.probe import probe
from ginkgo_data.adapters.kafka.topic_check import TopicCheck
from ginkgo_data.adapters.kafka.topics import KafkaTopics, TopicStatus
from ginkgo_data.entrypoints.operator_parts import named_broker, operator_kafka, operator_settings

GROWN = 12
"""Partitions that `--grow` gives to command topics: as many as workers can share evenly by two, three, four, six."""


@dataclass(frozen=True, slots=True)
class TopicLine:
    """A topic as it is shown."""

    name: str
    partitions: int
    wanted: int
    state: str
    """``ok``, ``missing``, ``few partitions`` or ``wrong settings``."""
    advice: str = ""

    @property
    def bad(self) -> bool:
        """Whether records are lost or refused like this."""
        return self.state in ("missing", "wrong settings")


def topics_status(file: Path | None, as_json: bool) -> int:
    """Show every topic; nothing is changed. Raises `BrokerUnavailable`."""
    config = operator_kafka(operator_settings(file))
    with named_broker(config):
        probe(config)
        return _show(config, KafkaTopics(config), as_json, [])


def topics_apply(file: Path | None, grow: bool, as_json: bool) -> int:
    """Make our own topics where they are missing, with `grow` give the others more partitions, and show all.

    Raises `BrokerUnavailable`, and `ConfigurationError` for a missing right.
    """
    config = operator_kafka(operator_settings(file))
    topics = KafkaTopics(config)
    with named_broker(config):
        probe(config)
        done = [f"made {name}" for name in topics.create_own()]
        for topic in topics.status() if grow else ():
            goal = _goal(topic, config)
            if 0 < topic.partitions < goal:
                topics.grow(topic.name, goal)
                done.append(f"{topic.name} has {goal} partitions now instead of {topic.partitions}")
        return _show(config, topics, as_json, done)


def _goal(topic: TopicStatus, config: KafkaConfig) -> int:
    """Return the partitions that `--grow` gives to `topic`."""
    return GROWN if topic.name in config.topics else topic.wanted


def _show(config: KafkaConfig, topics: KafkaTopics, as_json: bool, done: Sequence[str]) -> int:
    found, faults = topics.status(), faults_of(config)
    lines = [line_of(topic, config, faults) for topic in found]
    if as_json:
        shown = {"done": list(done), "topics": [asdict(line) for line in lines]}
        sys.stdout.write(json.dumps(shown, ensure_ascii=False) + "\n")
    else:
        _print(lines, done)
    return 1 if any(line.bad for line in lines) else 0


def faults_of(config: KafkaConfig) -> Mapping[str, Sequence[str]]:
    """Return what is wrong with the settings of our own topics."""
    return TopicCheck(config).faults()


def line_of(topic: TopicStatus, config: KafkaConfig, faults: Mapping[str, Sequence[str]]) -> TopicLine:
    """Return the line of one topic: its state, and what to do about it."""

    def line(state: str, advice: str = "") -> TopicLine:
        return TopicLine(topic.name, topic.partitions, topic.wanted, state, advice)

    if not topic.partitions:
        return line("missing", "ginkgo-data topics apply" if topic.own else _creation(topic, config))
    if wrong := faults.get(topic.name):
        return line("wrong settings", "; ".join(wrong) + f" with kafka-configs.sh --alter --topic {topic.name}")
    if topic.partitions < _goal(topic, config):
        why = "lets more workers share it; its keys then go to other partitions"
        return line("ok" if topic.ready else "few partitions", f"ginkgo-data topics apply --grow {why}")
    return line("ok")


def _creation(topic: TopicStatus, config: KafkaConfig) -> str:
    # Ginkgo's own command deletes every topic before it makes any, so it is not what to type here.
    return (
        f"kafka-topics.sh --bootstrap-server {config.bootstrap_servers} --create --topic {topic.name} "
        f"--partitions {GROWN if topic.name in config.topics else 3}"
    )


def _print(lines: Sequence[TopicLine], done: Sequence[str]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for text in done:
        console.print(escape(text))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("topic", "partitions", "wanted", "state"):
        table.add_column(name, justify="right" if name in ("partitions", "wanted") else "left")
    for line in lines:
        state = f"[red]{line.state}[/red]" if line.bad else line.state
        table.add_row(escape(line.name), str(line.partitions or "-"), str(line.wanted), state)
    console.print(table)
    if any(line.advice for line in lines):
        console.print("\n[bold]what to do[/bold]")
    for line in lines:
        if line.advice:
            console.print(f"  {escape(line.name)}: {escape(line.advice)}")
