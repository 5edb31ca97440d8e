"""The pages that an operator reads name commands, options, keys and files that there are, and link to what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from ginkgo_data.domain.services.rules import DEFAULT_RULES
from ginkgo_data.entrypoints import cli
from ginkgo_data.entrypoints.catalogue import entries

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = ["operations.md", "deploying.md", "alerts.md", "capacity.md", "testing.md"]
SECTIONS = ("worker", "kafka", "redis", "clickhouse", "heartbeat", "sources", "quality", "health", "logging", "tracing")


def text_of(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_is_one(page):
    program = typer.main.get_command(cli.app)
    for line in re.findall(r"\bginkgo-data ([a-z][^`\n#'\"]*)", text_of(page)):
        words, node = line.split(), program
        while getattr(node, "commands", None):
            assert words, f"ginkgo-data {line}"
            name = words.pop(0)
            assert name in node.commands, f"ginkgo-data {line}: there is no {name}"
            node = node.commands[name]
        options = {option for parameter in node.params for option in parameter.opts}
        asked = {word for word in words if word.startswith("--")}
        # `health` reads its options itself, without loading what the others need.
        assert asked <= options or node.name == "health", f"ginkgo-data {line}: {asked - options}"


@pytest.mark.parametrize("page", PAGES)
def test_every_key_is_one(page):
    known = {".".join(entry.key) for entry in entries()} | {f"quality.rules.{rule}" for rule in DEFAULT_RULES}
    sections = "|".join(SECTIONS)
    for key in re.findall(rf"`((?:{sections})\.[a-z_.]+)(?:: [^`]*)?`", text_of(page)):
        assert any(one == key or one.startswith(f"{key}.") for one in known), key


@pytest.mark.parametrize("page", PAGES)
def test_every_file_is_there(page):
    places = re.findall(r"\b((?:deploy|scripts|benchmarks|docs|tests)/[\w./-]*\w)", text_of(page))
    places += [
        f"tests/{place}" for place in re.findall(r"`((?:e2e|unit|integration|contracts)/\w+\.py)`", text_of(page))
    ]
    secrets = {"deploy/secrets/tushare_token", "deploy/secrets/redis_password", "deploy/secrets/clickhouse_password"}
    elsewhere = {*secrets, "deploy/ginkgo-data-worker"}  # made by a script; a Deployment, as kubectl names it
    assert [place for place in places if place not in elsewhere and not (ROOT / place).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for place, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)", text_of(page)):
        target = DOCS / place if place else DOCS / page
        assert target.exists(), place
        if anchor:
            heads = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w-]", "", head.lower().replace(" ", "-")) for head in heads}, anchor
