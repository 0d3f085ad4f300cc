"""`cu-statement`: one page on one run, to be signed."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from cu.cli.errors import say
from cu.errors import ConfigError

HELP = """cu-statement: one page on a finished run, to be signed: what was asked, done, found and not tested.

Usage
  cu-statement RUN             writes statement.html and statement.json into the run's folder
  cu-statement RUN FOLDER      writes them into another folder

RUN is the folder of a run, as cu-unlearn prints it: outputs/runs/DATASET/MODEL/SCENARIO/METHOD/FINGERPRINT.
Open the page and print it; a browser prints to PDF, too.
"""


def statement() -> None:
    """Console command `cu-statement`."""
    words = sys.argv[1:]
    if {"--help", "-h"} & set(words):
        print(HELP)
        sys.exit(0)
    if not 1 <= len(words) <= 2:
        say("error: name the folder of one run: cu-statement outputs/runs/...")
        sys.exit(2)
    try:
        written = write(Path(words[0]), Path(words[-1]) if len(words) == 2 else None)
    except ConfigError as error:
        say(f"error: {error}")
        sys.exit(2)
    except OSError as error:
        say(f"error: {error.filename} cannot be written ({error.strerror})")
        sys.exit(1)
    for line in written:
        print(line)


def write(run: Path, folder: Path | None) -> list[str]:
    """Write page and JSON; returns what is printed: the conclusion, what casts doubt on it, and where they are.

    Raises:
        ConfigError: There is no such run.
        OSError: The folder cannot be written.
    """
    from cu.disk.files import write_json, write_text
    from cu.reporting.statement.page import page
    from cu.reporting.statement.record import read_record
    from cu.reporting.statement.statement import statement as facts_of

    record = read_record(run)
    facts = facts_of(record, date.today().isoformat())
    place = folder or record.folder
    write_json(place / "statement.json", facts)
    write_text(place / "statement.html", page(facts))
    doubts = [f"doubt: {doubt}" for doubt in facts["doubts"]]
    return [*facts["conclusion"], *doubts, f"written: {place / 'statement.html'}, {place / 'statement.json'}"]
