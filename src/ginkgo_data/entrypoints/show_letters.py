# Upstream: entrypoints.letters
# Downstream: adapters.kafka.{kept_letter, letter_replay, letter_wire}, domain.model.bars, rich
# Role: Dead letters on the terminal and as JSON: a table of all, everything about one
"""How dead letters look. Bytes are shown as text where they are UTF-8, else as hexadecimal digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ginkgo_data.adapters.kafka.kept_letter import KeptLetter
from ginkgo_data.adapters.kafka.letter_replay import Replay
from ginkgo_data.adapters.kafka.letter_wire import LetterHeader
from ginkgo_data.domain.model.bars import EXCHANGE_ZONE

_SHOWN_BYTES = 4096
"""Bytes of a value that a person is shown."""
_LONGEST_REASON = 160
_TABLE_WIDTH = 110
"""Columns of a terminal below which the table cannot be read."""


def as_json(letter: KeptLetter) -> dict[str, object]:
    """Return a letter in a list."""
    return {
        "key": letter.key,
        "written_at": _iso(letter.record.timestamp),
        "command": letter.word,
        "error": letter.error,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "codes": list(letter.codes),
        "origin": str(letter.origin or ""),
        "request_id": letter.request_id,
        "cut": letter.cut is not None,
    }


def details(letter: KeptLetter) -> dict[str, object]:
    """Return everything about a letter."""
    return {
        **as_json(letter),
        "since": _iso(letter.since),
        "traceback": letter.traceback,
        "headers": {name: _bytes(value) for name, value in letter.record.headers.items()},
        "original_key": _bytes(letter.original_key),
        "value": _bytes(letter.value),
        "value_length": letter.cut.length if letter.cut else len(letter.value or b""),
    }


def replayed(sent: Replay) -> dict[str, object]:
    """Return what a replay sends."""
    return {
        "topic": sent.topic,
        "key": _bytes(sent.key),
        "headers": {name: _bytes(value) for name, value in sent.headers.items()},
        "value": _bytes(sent.value),
        "value_length": len(sent.value or b""),
        "codes": list(sent.codes),
    }


def print_letters(letters: Sequence[KeptLetter], console: Console | None = None) -> None:
    """Print all: a table with each letter's reason below, on a narrow terminal a block for each letter."""
    console = console or Console(highlight=False)
    if not letters:
        console.print("there are no dead letters")
        return
    if console.width < _TABLE_WIDTH:
        _print_blocks(console, letters)
    else:
        _print_table(console, letters)
    console.print(
        f"\n{len(letters)} dead letters; dlq show KEY tells all about one, dlq replay KEY sends it again, "
        "dlq drop KEY forgets it",
        soft_wrap=console.width >= _TABLE_WIDTH,
    )


def _print_table(console: Console, letters: Sequence[KeptLetter]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("key", "when", "command", "error", "tries", "codes"):
        whole = name in ("key", "when", "tries")
        table.add_column(name, justify="right" if name == "tries" else "left", no_wrap=whole, overflow="fold")
    for letter in letters:
        table.add_row(
            escape(letter.key),
            _when(letter.record.timestamp),
            escape(letter.word or "-"),
            escape(letter.error or "-"),
            str(letter.attempts),
            escape(_codes(letter.codes)),
        )
    console.print(table)
    console.print()
    for letter in letters:
        console.print(f"{escape(letter.key)}: {escape(_short(letter.reason) + _stood(letter))}", soft_wrap=True)


def _print_blocks(console: Console, letters: Sequence[KeptLetter]) -> None:
    for number, letter in enumerate(letters):
        # The key alone on its line, never broken: it is what is copied.
        console.print(("\n" if number else "") + f"[bold]{escape(letter.key)}[/bold]", soft_wrap=True)
        block = Table.grid(padding=(0, 1))
        block.add_column(no_wrap=True)
        block.add_column(overflow="fold")
        for name, text in {
            "command": letter.word or "-",
            "error": letter.error or "-",
            "reason": _short(letter.reason) + _stood(letter),
            "codes": _codes(letter.codes),
            "tries": str(letter.attempts),
            "when": _when(letter.record.timestamp),
        }.items():
            block.add_row(f"  {name}", escape(text))
        console.print(block)


def _stood(letter: KeptLetter) -> str:
    origin = str(letter.origin or "")
    return f" (it stood at {origin})" if origin and origin != letter.key.partition("@")[0] else ""


def print_letter(letter: KeptLetter, plan: Mapping[str, object]) -> None:
    """Print everything about one letter; `plan` is what a replay would send, or why it cannot."""
    console = Console(highlight=False, soft_wrap=True)
    lines = {
        "key": letter.key,
        "when": _when(letter.record.timestamp),
        "command": letter.word or "-",
        "error": letter.error or "-",
        "reason": letter.reason or "-",
        "attempts": str(letter.attempts),
        "codes": ", ".join(letter.codes) or "all of the command",
        "origin": str(letter.origin or "-"),
        "since": _when(letter.since),
        "request id": letter.request_id or "-",
        "original key": _bytes(letter.original_key) or "-",
    }
    _print_pairs(console, lines)
    _print_headers(console, {name: _bytes(value) or "" for name, value in letter.record.headers.items()})
    console.print("\n[bold]original bytes[/bold]", escape(_size(letter)))
    console.print(_value(letter.value), markup=False)
    if letter.traceback:
        console.print("\n[bold]traceback[/bold]")
        console.print(letter.traceback.rstrip(), markup=False)
    console.print("\n[bold]a replay[/bold]")
    if "not_possible" in plan:
        console.print(f"[red]is not possible:[/red] {escape(str(plan['not_possible']))}")
        return
    same = "the original bytes" if plan["value"] == _bytes(letter.value) else "these bytes"
    console.print(f"sends {same} ({plan['value_length']:,} bytes) to {escape(str(plan['topic']))}")
    if plan["headers"]:
        console.print("with the headers", escape(str(plan["headers"])))
    if same == "these bytes":
        console.print(_cut(str(plan["value"])), markup=False)


def _print_pairs(console: Console, pairs: Mapping[str, str]) -> None:
    for name, text in pairs.items():
        console.print(f"[bold]{name:<13}[/bold]{escape(text)}")


def _print_headers(console: Console, headers: Mapping[str, str]) -> None:
    console.print("\n[bold]headers[/bold]")
    for name, text in headers.items():
        # The traceback has its own place below.
        if name != LetterHeader.TRACEBACK:
            console.print(f"  {name}: {text}", markup=False)


def _size(letter: KeptLetter) -> str:
    if letter.value is None:
        return "(the value was null)"
    if letter.cut is None:
        return f"({len(letter.value):,})"
    return f"(cut: the first {len(letter.value):,} of {letter.cut.length:,}, SHA-256 {letter.cut.sha256})"


def _value(value: bytes | None) -> str:
    return "null" if value is None else _cut(_bytes(value[:_SHOWN_BYTES]) or "", len(value) - _SHOWN_BYTES)


def _cut(text: str, more: int = 0) -> str:
    left = max(more, len(text) - _SHOWN_BYTES * 2)
    return text[: _SHOWN_BYTES * 2] + (f"\n… {left:,} more; --json shows all" if left > 0 else "")


def _bytes(value: bytes | None) -> str | None:
    """Return bytes as text, or as ``hex:`` digits where they are no UTF-8."""
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return f"hex:{value.hex()}"


def _codes(codes: Sequence[str]) -> str:
    return f"{codes[0]} and {len(codes) - 1} more" if len(codes) > 1 else codes[0] if codes else "all"


def _short(reason: str) -> str:
    line = " ".join(reason.split()) or "no reason given"
    return line if len(line) <= _LONGEST_REASON else line[:_LONGEST_REASON] + "…"


def _when(moment: datetime | None) -> str:
    """Return a moment by the clock that the fleet's day goes by."""
    return "-" if moment is None else f"{moment.astimezone(ZoneInfo(EXCHANGE_ZONE)):%Y-%m-%d %H:%M:%S}"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
