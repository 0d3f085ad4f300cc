"""What a finished figure is, and what one is before it is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure as Canvas


@dataclass(frozen=True, kw_only=True)
class Model:
    """One whom a reader may choose to see.

    Attributes:
        key: The same in all figures of a table.
        label: As in the table.
        first: Whether it is shown before anybody chooses.
        swatch: An SVG of its line; empty where panels have its name.
    """

    key: str
    label: str
    first: bool
    swatch: str = ""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A drawing of one model, or, where `key` is empty, of all, in which `model-<key>` is the id of what is whose."""

    key: str
    alt: str
    svg: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A figure of more methods than it has room for, in parts, for a page whose reader chooses.

    Attributes:
        models: Whom there is to choose from.
        parts: The drawings.
        note: Whom it does not offer, in a sentence; empty if it offers all.
    """

    models: tuple[Model, ...]
    parts: tuple[Part, ...]
    note: str


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure, ready to be written; equal inputs give equal bytes.

    Attributes:
        name: File stem, unique within a report.
        table: Title of the table it belongs to.
        title: What it shows, in a few words.
        caption: How to read it, and seeds, retrained models and split sizes.
        alt: What it shows in numbers, for those who do not see it.
        svg: With text as text. Ink is `currentColor`, grey unless the page that holds it sets `color`.
        pdf: Vector graphics for papers.
        png: On a transparent background.
        data: The numbers drawn, one row per mark.
        choice: The same with more methods, if there are more than it shows.
    """

    name: str
    table: str
    title: str
    caption: str
    alt: str
    svg: str
    pdf: bytes
    png: bytes
    data: pd.DataFrame
    choice: Choice | None = None


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure before it is rendered.

    Attributes:
        title: As in `Figure`.
        reading: How to read it; the caption starts with this.
        alt: As in `Figure`.
        data: As in `Figure`.
        canvas: The figure as matplotlib has it.
        notes: What is missing from it, and why.
        told: Where each model has panels of its own, what `alt` says of it, by label.
    """

    title: str
    reading: str
    alt: str
    data: pd.DataFrame
    canvas: Canvas
    notes: tuple[str, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)


class LacksDataError(Exception):
    """A figure cannot be drawn; the message says what is missing and how to get it."""
