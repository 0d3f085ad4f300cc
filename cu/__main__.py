"""`python -m cu train|unlearn|evaluate|report|statement ...`: the console commands without their scripts."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command named by the first argument."""
    from cu.cli import commands as cli
    from cu.cli.statement import statement

    commands = {"train": cli.train, "unlearn": cli.unlearn, "evaluate": cli.evaluate, "report": cli.report}
    commands["statement"] = statement
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in commands:
        sys.exit(f"usage: python -m cu {{{','.join(commands)}}} ...")
    commands[name]()


if __name__ == "__main__":
    main()
