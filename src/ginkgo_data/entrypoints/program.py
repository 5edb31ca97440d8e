# Upstream: none
# Downstream: entrypoints.{cli, health_cli}
# Role: The program `ginkgo-data`: the quick command by itself, all others through the command line
"""`health` is run every few seconds in every container: it does not wait for what the other commands import."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the program."""
    if sys.argv[1:2] == ["health"]:
        from ginkgo_data.entrypoints import health_cli

        sys.exit(health_cli.main(sys.argv[2:]))
    from ginkgo_data.entrypoints import cli

    cli.main()


if __name__ == "__main__":
    main()
