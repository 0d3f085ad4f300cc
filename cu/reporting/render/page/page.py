"""A report as one HTML file that needs nothing else: no network, no server, no JavaScript to be read."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cu.reporting.render.escape import html
from cu.reporting.render.page.figures import Shown, chooser, hiding_rules, shown
from cu.reporting.render.page.lights import LIGHTS, floors_text, light_lines
from cu.reporting.render.page.types import Link, Picture
from cu.reporting.render.texts import (
    ARROWS,
    MARKS,
    cell_text,
    label_text,
    mark_text,
    published_text,
    seeds_text,
)
from cu.reporting.tables.types import TableData

_HERE = "cu.reporting.render.page"
_DIRECTIONS = {"match_retrained": "match retrained", "higher": "higher is better", "lower": "lower is better"}


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section of the page: a table, its figures, and where the note of each mark stands."""

    table: TableData
    pictures: tuple[Shown, ...]

    @property
    def notes(self) -> list[str]:
        """The mark of each note, "" where it has none."""
        return [mark_text(note.mark) for note in self.table.notes]


def page(
    name: str,
    tables: Sequence[TableData],
    figures: Sequence[Picture],
    warnings: Sequence[str],
    statements: Sequence[Link] = (),
) -> str:
    """The page of a report, as text.

    Args:
        name: The report's name; its last part is the stem of the files beside the page.
        tables: One section each.
        figures: Shown below the table they name; those that name none of them come last.
        warnings: About the report as a whole.
        statements: On its runs.

    Raises:
        ValueError: A figure's SVG does not say how large it is.
    """
    titles = {table.title for table in tables}
    pictures = [shown(figure, f"figure-{i}-") for i, figure in enumerate(figures, 1)]
    own = {title: tuple(one for one in pictures if one.picture.table == title) for title in titles}
    script = _asset("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            name=name,
            stem=Path(name).name,
            parts=[Section(table=table, pictures=own[table.title]) for table in tables],
            others=[one for one in pictures if one.picture.table not in titles],
            warnings=warnings,
            statements=statements,
            style=_asset("page.css") + hiding_rules(pictures),
            script=script,
            script_hash=_hash(script),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_HERE),
        autoescape=True,
        finalize=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (
        *(cell_text, label_text, mark_text, published_text, seeds_text, sort_key),
        *(light_lines, floors_text, chooser, breakable),
    )
    environment.globals |= {word.__name__: word for word in words}
    environment.globals |= {"ARROWS": ARROWS, "DIRECTIONS": _DIRECTIONS, "MARKS": MARKS, "LIGHTS": LIGHTS}
    return environment


def breakable(text: str) -> Markup:
    """A name that may break after its underscores."""
    return Markup(str(html(text)).replace("_", "_<wbr>"))


def sort_key(value: float) -> str | None:
    """A number in full precision, as JavaScript's `Number` reads it; None for NaN."""
    return None if math.isnan(value) else json.dumps(float(value))


def _asset(name: str) -> str:
    return (files(_HERE) / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What lets the page's content security policy tell its own script from any other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
