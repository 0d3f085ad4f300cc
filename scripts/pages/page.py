"""What a page of results shows, and the commands that make it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FIXED = ("hardware.num_threads=1", "tracking=none")


class Incomplete(RuntimeError):
    """A page cannot be written; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page shows.

    Attributes:
        name: Of its file.
        title: Its heading.
        about: What is shown, in a sentence or two.
        runs: Words of `cu-unlearn`, for each command.
        report: Words of `cu-report`, for each command.
        scripts: Scripts with their arguments.
        pictures: Figures of the reports to show, by the start of their names.
    """

    name: str
    title: str
    about: str
    runs: Sequence[str] = ()
    report: str | Sequence[str] = ()
    scripts: Sequence[str] = field(default_factory=list)
    pictures: Sequence[str] = field(default_factory=list)

    @property
    def reports(self) -> Sequence[str]:
        """Words of `cu-report`, for each command."""
        return [self.report] if isinstance(self.report, str) else self.report


def read_pages(path: Path) -> dict[str, Page]:
    """The pages that a file defines, by name."""
    return {name: Page(name=name, **entry) for name, entry in yaml.safe_load(path.read_text(encoding="utf-8")).items()}


def commands(page: Page, outputs: Path) -> Iterator[list[str]]:
    """The words of each command of a page, its name first."""
    place = f"paths.outputs={outputs}"
    for words in page.runs:
        yield ["cu-unlearn", *shlex.split(words), *FIXED, place]
    for words in page.reports:
        yield ["cu-report", *shlex.split(words), "tracking=none", place]
    for words in page.scripts:
        yield ["python", *shlex.split(words.format(outputs=outputs))]


def shown(words: Sequence[str]) -> str:
    """A command as one types it."""
    return shlex.join(words)


def executed(words: Sequence[str]) -> str:
    """What a command prints.

    Raises:
        Incomplete: It fails.
    """
    name, *rest = words
    start = [sys.executable] if name == "python" else [sys.executable, "-m", "cu", name.removeprefix("cu-")]
    ended = subprocess.run([*start, *rest], stdout=subprocess.PIPE, text=True, cwd=ROOT if name == "python" else None)
    if ended.returncode:
        raise Incomplete(f"exit code {ended.returncode} of {shown(words)}")
    return ended.stdout
