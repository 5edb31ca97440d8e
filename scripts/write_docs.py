"""Write the documents that are generated from the program: docs/rules.md, and the schemas below docs/schemas.

A test compares each with what this would write, so a change of the program shows as a change of its documents.
"""

from __future__ import annotations

import json
from pathlib import Path

from ginkgo_data.adapters.kafka.report_wire import REPORT_KEY, report_schema
from ginkgo_data.entrypoints.rule_words import rules_markdown

DOCS = Path(__file__).resolve().parents[1] / "docs"


def documents() -> dict[str, str]:
    """Return the text of every generated document by its path below docs/."""
    return {
        "rules.md": rules_markdown(),
        f"schemas/{REPORT_KEY}.schema.json": json.dumps(report_schema(), indent=2) + "\n",
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
