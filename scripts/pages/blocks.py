"""Blocks of README and docs that commands make, so that no number in them is typed.

    <!-- made by: scripts/results --only digits | columns forget test acc, seeds | rows retrain, contrastive -->
    <!-- end -->

A block of a page of results is cut from that page: `table 2` says which of its tables (the first unless it says),
`columns` and `rows` which parts, by the beginnings of their names. A block of any other command is what it prints, with
the command above if that is one of `cu-...`; folders are shortened, and the line on W&B, which depends on the reader's
account, is left out.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pages.page import ROOT, Incomplete

BLOCK = re.compile(r"(<!-- made by: (?P<head>.+?) -->\n)(?P<body>.*?)(<!-- end -->)", re.S)
PAGE = re.compile(r"scripts/results --only (\w+)")
PARTS = ("table", "columns", "rows")
_MARKS = re.compile(r"[\\*†○≈ ]+$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block.

    Attributes:
        command: What makes it, as one types it.
        body: Its text, without the two comments.
        parts: `table`, `columns` and `rows`, as far as it says.
    """

    command: str
    body: str
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def page(self) -> str | None:
        """Name of the page of results that it is cut from; None if it is none."""
        match = PAGE.fullmatch(self.command)
        return match[1] if match else None


def blocks(text: str) -> list[Block]:
    """The blocks of a page, in order."""
    return [_block(match) for match in BLOCK.finditer(text)]


def _block(match: re.Match[str]) -> Block:
    command, *given = (part.strip() for part in match["head"].split(" | "))
    parts = dict(part.split(" ", 1) for part in given)
    if unknown := parts.keys() - set(PARTS):
        raise ValueError(f"{match['head']}: {', '.join(sorted(unknown))}: a block has {', '.join(PARTS)}")
    return Block(command=command, body=match["body"], parts=parts)


def remade(path: Path, results: Path, run: Collection[str]) -> str:
    """The text of a file with its blocks made again: those of pages of results, and those of the commands to run.

    Raises:
        Incomplete: A page of results has not been made, or a command cannot run.
    """

    def body(match: re.Match[str]) -> str:
        block = _block(match)
        if block.page is not None:
            return f"{match[1]}{cut(block, results)}{match[4]}"
        return f"{match[1]}{printed(block.command) if block.command in run else block.body}{match[4]}"

    return BLOCK.sub(body, path.read_text(encoding="utf-8"))


def cut(block: Block, results: Path) -> str:
    """The part of a page of results that a block shows.

    Raises:
        Incomplete: There is no such page, table, column or row.
    """
    path = results / f"{block.page}.md"
    if not path.exists():
        raise Incomplete(f"{path.name} has not been made: {block.command}")
    tables = list(_tables(path.read_text(encoding="utf-8")))
    number = int(block.parts.get("table", "1"))
    if not 1 <= number <= len(tables):
        raise Incomplete(f"{path.name} has {len(tables)} tables, and no table {number}")
    head, sides, *rows = tables[number - 1]
    columns = [0, *_chosen(head[1:], block.parts.get("columns"), f"column of {path.name}", 1)]
    names = [_MARKS.sub("", row[0]) for row in rows]
    kept = [rows[place] for place in _chosen(names, block.parts.get("rows"), f"row of {path.name}", 0)]
    lines = [[row[place] for place in columns] for row in (head, sides, *kept)]
    lines[1] = [re.sub("-+", "--", side) for side in lines[1]]
    return "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n"


def _tables(text: str) -> Iterator[list[list[str]]]:
    for lines in re.findall(r"(?:^\|.*\|\n)+", text, re.M):
        yield [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines.splitlines()]


def _chosen(names: list[str], wanted: str | None, what: str, first: int) -> list[int]:
    """Places of names that are wanted, in that order; a name that is wanted itself beats those that begin with it."""
    if wanted is None:
        return [place + first for place in range(len(names))]
    places = []
    for name in wanted.split(", "):
        found = [i for i, own in enumerate(names) if own == name] or [
            i for i, own in enumerate(names) if own.startswith(name)
        ]
        if not found:
            raise Incomplete(f"no {what} begins with {name!r}; there are {', '.join(names)}")
        places += [place + first for place in found]
    return places


def printed(command: str) -> str:
    """What a command prints, as a block of code.

    Raises:
        Incomplete: It fails otherwise than by refusing its settings.
    """
    name, *words = shlex.split(command)
    ours = name.startswith("cu-")
    start = [sys.executable, "-m", "cu", name[3:]] if ours else [sys.executable if name == "python" else ROOT / name]
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder).resolve()
        ended = subprocess.run([*start, *words], capture_output=True, text=True, cwd=where if ours else ROOT)
    said = shown(ended.stdout, ended.stderr, ended.returncode, command).replace(str(where), "...")
    if not said:
        raise Incomplete(f"{command} printed nothing to show (exit code {ended.returncode})")
    first = f"$ {command}\n" if ours else ""
    return f"\n```text\n{first}{said}\n```\n\n"


def shown(out: str, err: str, code: int, command: str) -> str:
    """What a reader sees of a command that ended.

    Raises:
        Incomplete: It failed otherwise than by refusing its settings.
    """
    if code == 2:
        return "\n".join(line for line in err.splitlines() if line.startswith("error: "))
    if code:
        raise Incomplete(f"exit code {code} of {command}")
    return "\n".join(line.rstrip() for line in out.strip().splitlines() if not line.startswith("tracked "))
