"""A report as one HTML file that needs nothing else: no network, no server, no JavaScript to be read."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from cu.reporting.page.headings import Heading, heading
from cu.reporting.page.inline import Inline, inline
from cu.reporting.page.rows import Line, line
from cu.reporting.page.types import Picture
from cu.reporting.tables import Table

_HERE = "cu.reporting.page"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One section of the page: a table, and its figures. `notes` are (mark, text), "" where there is no mark."""

    table: Table
    headings: tuple[Heading, ...]
    lines: tuple[Line, ...]
    floor: Line | None
    published: bool
    notes: tuple[tuple[str, str], ...]
    pictures: tuple[tuple[Picture, Inline], ...]


def page(name: str, tables: Sequence[Table], figures: Sequence[Picture], warnings: Sequence[str]) -> str:
    """The page of a report, as text.

    Args:
        name: The report's name; its last part is the stem of the files beside the page.
        tables: One section each.
        figures: Shown below the table they name; those that name none of them come last.
        warnings: About the report as a whole.

    Raises:
        ValueError: A figure's SVG does not say how large it is.
    """
    titles = {table.title for table in tables}
    pictures = [(figure, inline(figure.svg, f"figure-{i}-", figure.alt)) for i, figure in enumerate(figures, 1)]
    environment = Environment(
        loader=PackageLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _asset("page.js")
    return environment.get_template("page.html").render(
        name=name,
        stem=Path(name).name,
        parts=[_part(table, pictures) for table in tables],
        others=[pair for pair in pictures if pair[0].table not in titles],
        warnings=warnings,
        style=_asset("page.css"),
        script=script,
        script_hash=_hash(script),
    )


def _part(table: Table, pictures: Sequence[tuple[Picture, Inline]]) -> Part:
    notes = tuple(_note(text) for text in table.footnotes)
    marks = {mark: text for mark, text in notes if mark}
    return Part(
        table=table,
        headings=tuple(heading(text) for text in table.headings),
        lines=tuple(line(row, marks) for row in table.rows),
        floor=line(table.floor, marks) if table.floor else None,
        published=any(any(row.published) for row in table.rows),
        notes=notes,
        pictures=tuple(pair for pair in pictures if pair[0].table == table.title),
    )


def _note(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"(\[\d+\]|[^\w\s]) (.*)", text, re.DOTALL)
    return (match[1], match[2]) if match else ("", text)


def _asset(name: str) -> str:
    return (files(_HERE) / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What lets the page's content security policy tell its own script from any other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
