"""What a finished figure is, and what one is before it is rendered."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure as Canvas


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
    """

    title: str
    reading: str
    alt: str
    data: pd.DataFrame
    canvas: Canvas
    notes: tuple[str, ...] = ()


class LacksDataError(Exception):
    """A figure cannot be drawn; the message says what is missing and how to get it."""
