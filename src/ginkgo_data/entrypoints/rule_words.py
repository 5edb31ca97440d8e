# Upstream: entrypoints.show_rules
# Downstream: domain.model.{price_limits, quality, series}, domain.services.{rule_set, rules}
# Role: The table of rules as objects for programs and as Markdown for docs/rules.md
"""What is said of rules, all of it read off the table that validation works with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ginkgo_data.domain.model.price_limits import DAILY_LIMITS, FIRST_SESSIONS, LEAVING_DAYS, Board
from ginkgo_data.domain.model.quality import Verdict
from ginkgo_data.domain.model.series import Adjust, Frequency
from ginkgo_data.domain.services.rule_set import Parameter, Rule, RuleSet, Subject
from ginkgo_data.domain.services.rules import DEFAULT_RULES

_BAR_SUBJECTS = frozenset({Subject.BAR, Subject.NEIGHBOURS, Subject.SESSION, Subject.OPINION})
_TITLES = {
    Subject.BAR: "A bar by itself",
    Subject.NEIGHBOURS: "A daily bar beside those before it",
    Subject.SESSION: "The minute bars of a session",
    Subject.COVERAGE: "The sessions of a job",
    Subject.OPINION: "A second opinion",
    Subject.FACTOR: "Adjustment factors",
    Subject.TICK: "Ticks",
    Subject.SOURCE_ROW: "Rows that a source cannot be read by, or a store cannot hold",
}


def rule_objects(rules: RuleSet) -> list[dict[str, object]]:
    """Return every rule there is as `rules` have it, in order."""
    return [_object(rule_id, rules) for rule_id in DEFAULT_RULES]


def _object(rule_id: str, rules: RuleSet) -> dict[str, object]:
    rule = rules.get(rule_id) or DEFAULT_RULES[rule_id]
    found: dict[str, object] = {
        "id": rule.id,
        "meaning": rule.meaning,
        "about": [subject.value for subject in rule.subjects],
        "enabled": rule_id in rules,
        "severity": rule.severity.value,
        "verdict": rule.verdict.value,
        "source": rule.source,
        "parameters": [_parameter(parameter) for parameter in rule.parameters],
        "fixed": rule.fixed or None,
    }
    if not _BAR_SUBJECTS.isdisjoint(rule.subjects):
        others = {f: rules.at(rule_id, f) for f in Frequency if f in rule.frequencies}
        found["frequencies"] = [f.value for f in Frequency if f in rule.frequencies]
        found["adjusts"] = [adjust.value for adjust in Adjust if adjust in rule.adjusts]
        found["at"] = {
            f.value: _differing(rule, other) for f, other in others.items() if other != rule and rule_id in rules
        }
    return found


def _differing(rule: Rule, other: Rule | None) -> dict[str, object]:
    """Return in what a rule differs at one frequency."""
    if other is None:
        return {"enabled": False}
    said: dict[str, object] = {}
    for name in ("severity", "verdict"):
        if getattr(rule, name) is not getattr(other, name):
            said[name] = getattr(other, name).value
    return said | {name: value for name, value in other.values.items() if value != rule.values[name]}


def _parameter(parameter: Parameter) -> dict[str, object]:
    return {
        "name": parameter.name,
        "value": number(parameter.value),
        "meaning": parameter.meaning,
        "least": parameter.least,
        "most": parameter.most,
    }


def number(value: float) -> float | int:
    """Return a whole number as one."""
    return int(value) if float(value).is_integer() else value


def speaks_of(rule: Rule) -> str:
    """Return which bars a rule speaks of, in words; empty where it speaks of all."""
    adjusts = "as traded" if rule.adjusts == frozenset({Adjust.NONE}) else ""
    daily = frozenset({Frequency.DAY})
    frequencies = {daily: "daily", frozenset(Frequency) - daily: "minutes"}.get(rule.frequencies, "")
    return ", ".join(filter(None, (frequencies, adjusts)))


_HEAD = """\
# Rules of quality

Generated from the table that validation works with (`python scripts/write_docs.py`); a test compares the two.
`ginkgo-data rules list` prints the rules as a configuration has them.

A rule **rejects** a row (it goes to quarantine with rule, field, value and place, see `ginkgo-data quarantine`) or
**flags** it (it is stored, and the report says so). A row that several rejecting rules hit is rejected under the
first of them.

"field-facts" are the project's notes on what was measured on 5.3 million real rows of several vendors. What the rules
find on the real files beside a checkout is counted, rule by rule, in `tests/integration/test_rules_real.py`; what
they find of twenty kinds of faults that are put into such files, `python benchmarks/quality.py` prints.

## Silencing and tuning

```yaml
quality:
  rules:
    volume_spike: {times: 100}            # a rule's own number
    stale_price_run: {enabled: false}     # silent
    price_limit: {verdict: flag}          # told, and stored
    zero_price:
      1m: {enabled: false}                # silent for one frequency
```

The same in the environment: `GINKGO_DATA__QUALITY__RULES__VOLUME_SPIKE__TIMES=100`. Words are `enabled`, `severity`
(INFO, WARNING, ERROR), `verdict` (reject, flag), the numbers below, and a frequency with the same words. A rule or a
word that does not exist is refused, with the nearest one that does. A rule that is *fixed* can be neither silenced
nor made a flag.
"""


def rules_markdown() -> str:
    """Return docs/rules.md."""
    return "\n".join([_HEAD, *_sections(), *_limits()]) + "\n"


def _sections() -> Iterator[str]:
    for subject in _TITLES:
        rules = [rule for rule in DEFAULT_RULES.values() if rule.subjects[0] is subject]
        if rules:
            yield f"## {_TITLES[subject]}\n"
            yield from _table(("rule", "meaning", "does", "numbers", "rests on"), [_row(rule) for rule in rules])
            yield ""


def _row(rule: Rule) -> tuple[str, ...]:
    does = "rejects" if rule.verdict is Verdict.REJECT else "flags"
    more = speaks_of(rule)
    also = [subject.value for subject in rule.subjects[1:]]
    where = "; ".join(filter(None, (more, f"also {', '.join(also)}" if also else "")))
    numbers = "<br>".join(f"`{p.name}` {number(p.value)}: {p.meaning}" for p in rule.parameters)
    meaning = rule.meaning + (f" ({where})" if where else "")
    return (
        f"`{rule.id}`",
        meaning,
        f"{does}, {rule.severity.value}" + (f"; fixed: {rule.fixed}" if rule.fixed else ""),
        numbers,
        rule.source,
    )


def _limits() -> Iterator[str]:
    yield "## Price limits by board and date\n"
    yield (
        "The limit price is `pre_close` x (1 ± percent / 100), rounded half up to the tick and never closer than\n"
        "one tick (0.01; 0.001 for Shanghai B shares). Funds, bonds and indices are not judged, nor are shares whose\n"
        f"list date is unknown, nor the {LEAVING_DAYS} days before a delisting.\n"
    )
    limits = sorted(DAILY_LIMITS, key=lambda limit: (limit.boards[0].name, limit.first))
    rows = [(_boards(x.boards), str(x.first), f"{x.percent} %", f"{x.treated} %", x.source) for x in limits]
    yield from _table(("boards", "from", "limit", "special treatment", "source"), rows)
    yield "\n### First sessions\n"
    firsts = sorted(FIRST_SESSIONS, key=lambda first: (first.boards[0].name, first.listed_from))
    told = [
        (
            _boards(x.boards),
            str(x.listed_from),
            str(x.sessions),
            "none" if x.up is None else f"+{x.up} % / -{x.down} %",
            x.source,
        )
        for x in firsts
    ]
    yield from _table(("boards", "listed from", "sessions", "limit", "source"), told)


def _boards(boards: Sequence[Board]) -> str:
    return ", ".join(board.name for board in boards)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
