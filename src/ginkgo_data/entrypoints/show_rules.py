# Upstream: entrypoints.quality_cli
# Downstream: domain.services.{rule_set, rules}, entrypoints.{loading, rule_words}, rich
# Role: `ginkgo-data rules list`: the table of rules as a configuration has it
"""Rules on the terminal and as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ginkgo_data.domain.services.rule_set import Rule, RuleSet
from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.entrypoints.loading import load_settings
from ginkgo_data.entrypoints.rule_words import number, rule_objects, speaks_of

_COLOURS = {"reject": "red", "flag": "yellow"}


def list_rules(config: Path | None, as_json: bool) -> None:
    """Print every rule; raises `ConfigurationError` where the configuration cannot be used."""
    rules = load_settings(config).settings.quality.rule_set
    objects = rule_objects(rules)
    if as_json:
        sys.stdout.write(json.dumps(objects, ensure_ascii=False) + "\n")
        return
    console = Console(highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("rule", "does", "severity"):
        table.add_column(name, no_wrap=True)
    table.add_column("numbers", overflow="fold")
    table.add_column("meaning", overflow="fold")
    for found in objects:
        rule = rules.get(str(found["id"])) or DEFAULT_RULES[str(found["id"])]
        table.add_row(rule.id, _does(rule, rules), rule.severity.value, _numbers(rule), escape(_meaning(rule, found)))
    console.print(table)
    tuned = sum(_is_tuned(rules, rule) for rule in DEFAULT_RULES)
    console.print(f"{len(objects)} rules, {tuned} of them silenced or tuned; docs/rules.md says what each rests on")


def _does(rule: Rule, rules: RuleSet) -> str:
    if rule.id not in rules:
        return "[dim]silent[/dim]"
    return f"[{_COLOURS[rule.verdict.value]}]{rule.verdict.value}[/]" + (" (fixed)" if rule.fixed else "")


def _numbers(rule: Rule) -> str:
    return "\n".join(f"{parameter.name} {number(parameter.value)}" for parameter in rule.parameters)


def _meaning(rule: Rule, found: dict[str, object]) -> str:
    parts = [rule.meaning, f"({speaks_of(rule)})" if speaks_of(rule) else ""]
    at = found.get("at")
    if isinstance(at, dict) and at:
        parts.append("; ".join(f"{name}: {_said(what)}" for name, what in at.items()))
    return " ".join(filter(None, parts))


def _said(what: dict[str, object]) -> str:
    if what.get("enabled") is False:
        return "silent"
    return ", ".join(f"{name} {number(v) if isinstance(v, float) else v}" for name, v in what.items())


def _is_tuned(rules: RuleSet, rule_id: str) -> bool:
    rule = rules.get(rule_id)
    return rule != DEFAULT_RULES[rule_id] or any(
        rules.at(rule_id, f) != rule for f in DEFAULT_RULES[rule_id].frequencies
    )
