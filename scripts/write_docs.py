"""Write the documents that are generated from the program: docs/rules.md, docs/api.md, docs/schemas, docs/contracts.

A test compares each with what this would write, so a change of the program shows as a change of its documents.
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from api_reference import api_markdown
from ginkgo_data.adapters.kafka.report_wire import REPORT_KEY, report_schema
from ginkgo_data.entrypoints.contracts import asyncapi, schemas
from ginkgo_data.entrypoints.rule_words import rules_markdown

DOCS = Path(__file__).resolve().parents[1] / "docs"


def documents() -> dict[str, str]:
    """Return the text of every generated document by its path below docs/."""
    return {
        "rules.md": rules_markdown(),
        f"schemas/{REPORT_KEY}.schema.json": json.dumps(report_schema(), indent=2) + "\n",
        "api.md": api_markdown(),
        "contracts/asyncapi.yaml": yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=120),
    } | {
        f"contracts/{name}": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas().items()
    }


def main() -> None:
    """Write them."""
    for name, text in documents().items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(DOCS.parent))


if __name__ == "__main__":
    main()
