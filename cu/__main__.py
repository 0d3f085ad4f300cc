"""`python -m cu train|unlearn|evaluate|report|purge|statement ...`: the console commands without their scripts."""

from __future__ import annotations

import sys
from importlib import import_module

from cu.cli.supervised import run

COMMANDS = ("train", "unlearn", "evaluate", "report")
APART = ("purge", "statement")  # a module each, without jobs


def main() -> None:
    """Run the command named by the first argument."""
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name in APART:
        sys.exit(getattr(import_module(f"cu.cli.{name}"), name)())
    if name not in COMMANDS:
        sys.exit(f"usage: python -m cu {{{','.join((*COMMANDS, *APART))}}} ...")
    run(name)


if __name__ == "__main__":
    main()
