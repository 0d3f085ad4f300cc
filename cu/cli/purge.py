"""Console command `cu-purge`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cu.cli.errors import say
from cu.errors import ConfigError


def purge() -> None:
    """Remove what holds pixels, outputs or embeddings of forgotten samples, and say what."""
    parser = argparse.ArgumentParser(
        prog="cu-purge",
        description="Remove decoded images, predictions and embeddings of the samples that runs, and those before "
        "them, have forgotten. Results stay; what is removed is made anew from what is left if it is needed again.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("--data", type=Path, metavar="DIR", help="paths.data of the runs, if it is not where they say")
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    sys.exit(purged(parser.parse_args()))


def purged(asked: argparse.Namespace) -> int:
    """Do what is asked; returns the exit code."""
    from cu.store.purge import plan_purge, remove

    code = 0
    for run in asked.runs:
        try:
            found = plan_purge(run, asked.data)
            size = sum(path.stat().st_size for path in found.files) if asked.dry_run else remove(found)
        except (ConfigError, OSError) as error:
            say(f"error: {error}")
            code = 2 if isinstance(error, ConfigError) else 1
            continue
        word = "would be removed" if asked.dry_run else "removed"
        count = f"{len(found.files)} file{'s' * (len(found.files) != 1)}"
        print(f"{run}: {found.forgotten} forgotten samples; {word}: {count}, {size / 1e6:.1f} MB")
        for path in found.files:
            print(f"  {path}")
        for line in found.kept:
            print(f"  stays: {line}")
    return code
