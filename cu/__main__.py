"""`python -m cu train|unlearn|evaluate|report|purge ...`: the console commands without their scripts."""

from __future__ import annotations

import sys

from cu.cli.supervised import run

COMMANDS = ("train", "unlearn", "evaluate", "report")


def main() -> None:
    """Run the command named by the first argument."""
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name == "purge":
        from cu.cli.purge import purge

        purge()
    if name not in COMMANDS:
        sys.exit(f"usage: python -m cu {{{','.join((*COMMANDS, 'purge'))}}} ...")
    run(name)


if __name__ == "__main__":
    main()
