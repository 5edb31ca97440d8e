"""Keep the table of keys in docs/configuration.md true: compare it with the models; `--write` makes it so.

Exit status: 0 when it is true, 1 when it is not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from ginkgo_data.entrypoints.catalogue import Entry, entries
from ginkgo_data.entrypoints.given import dotted

PAGE = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
BEGIN, END = "<!-- keys: scripts/config_table.py --write -->", "<!-- /keys -->"


def main(arguments: list[str] | None = None) -> int:
    """Check or write the table; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="rewrite the table where it is wrong")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page (default: this project's)")
    asked = parser.parse_args(arguments)
    text = asked.page.read_text("utf-8")
    wanted = with_table(text)
    if wanted == text:
        return 0
    if asked.write:
        asked.page.write_text(wanted, "utf-8")
        return 0
    print(f"{asked.page}: the table of keys is not what the models say; `python scripts/config_table.py --write`")
    return 1


def with_table(text: str) -> str:
    """Return the page with the table that the models make."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{chr(10).join(table())}\n\n{END}{after}"


def table() -> Iterator[str]:
    """Yield the lines of the tables, one table a section."""
    section: tuple[str, ...] = ()
    for entry in entries():
        if entry.key[:-1] != section:
            section = entry.key[:-1]
            if section != entries()[0].key[:-1]:
                yield ""
            yield from (f"### {dotted(section)}", "", "| key | default | allowed | meaning |", "|---|---|---|---|")
        yield _row(entry)


def _row(entry: Entry) -> str:
    default = f"`{entry.default}`" if entry.default else "must be given"
    meaning = entry.text.replace("``", "`") + (" **Secret.**" if entry.secret else "")
    return f"| `{entry.key[-1]}` | {default} | {entry.allowed} | {meaning} |".replace("\\", "\\\\")


if __name__ == "__main__":
    sys.exit(main())
