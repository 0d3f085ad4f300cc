"""All figures of a report, and why those that are missing are missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from cu.errors import first_line
from cu.reporting.collect.runs import Collection
from cu.reporting.figures import (
    agreement_bars,
    batch_curve,
    choice,
    curves,
    depths,
    destinations,
    embedding_map,
    front,
    gap_map,
    histograms,
    probe_bars,
    roc,
    style,
    trajectory,
)
from cu.reporting.figures.data import FigureData, figure_data
from cu.reporting.figures.types import Drawing, Figure, LacksDataError
from cu.reporting.statistics.aggregate import Cells
from cu.reporting.types import FigureName, Report

Draw = Callable[[FigureData], Drawing]

DRAW: Mapping[FigureName, Mapping[str, Draw]] = {
    "gap_map": {"class": gap_map.draw, "sample": gap_map.draw},
    "front": {"class": front.draw, "sample": front.draw},
    "probe_bars": {"class": probe_bars.draw},
    "depths": {"class": depths.draw},
    "embedding_map": {"class": embedding_map.draw, "sample": embedding_map.draw},
    "embedding_plane": {"class": embedding_map.draw_plane, "sample": embedding_map.draw_plane},
    "destinations": {"class": destinations.draw, "sample": agreement_bars.draw},
    "histograms": {"class": histograms.draw, "sample": histograms.draw},
    "roc": {"class": roc.draw, "sample": roc.draw},
    "trajectory": {"class": trajectory.draw, "sample": trajectory.draw},
    "relearning": {"class": curves.draw_relearning, "sample": curves.draw_relearning},
    "layers": {"class": curves.draw_layers, "sample": curves.draw_layers},
    "batch_curve": {"class": batch_curve.draw},
}


def build_figures(
    collection: Collection, cells: Cells, report: Report, cache: Path | None = None
) -> tuple[list[Figure], list[str]]:
    """Every figure the report asks for and the runs have data for, in the order of the tables and of the report.

    Args:
        collection: The selected runs.
        cells: The same, aggregated.
        report: What to show.
        cache: A folder for what takes seconds to compute; null for none.

    Returns:
        The figures, and one line on each that is missing or lacks something, with the reason.
    """
    figures: list[Figure] = []
    notes: list[str] = []
    with style.styled():
        for scene in figure_data(collection, cells, report, cache):
            if report.figures and scene.total > len(scene.rows):
                notes.append(f"figures, {scene.title}: show {len(scene.rows)} of {scene.total} methods and settings")
            for kind in report.figures or ():
                if (draw := DRAW[kind].get(scene.kind)) is None:
                    continue
                try:
                    if not scene.rows:
                        raise LacksDataError("no finished run of an unlearning method")
                    drawing = draw(scene)
                    figures.append(_figure(kind, scene, drawing, {figure.name for figure in figures}))
                except LacksDataError as why:
                    notes.append(f"figure {kind}, {scene.title}: {why}")
                except (
                    Exception
                ) as error:  # outputs of any kind lie in run folders: one figure, not the report, is lost
                    what = f"{type(error).__name__}: {first_line(error)}"
                    notes.append(f"figure {kind}, {scene.title}: cannot be drawn ({what})")
                else:
                    notes += [f"figure {kind}, {scene.title}: {note}" for note in drawing.notes]
                    if kind in choice.ROOM and len(scene.rows) > scene.room:
                        figures[-1], lost = _chooseable(figures[-1], scene, draw, choice.ROOM[kind])
                        notes += [f"figure {kind}, {scene.title}: {note}" for note in lost]
    return figures, notes


def _chooseable(figure: Figure, scene: FigureData, draw: Draw, room: int) -> tuple[Figure, list[str]]:
    """A figure with more methods to choose from, and what more of them lack."""
    try:
        return replace(figure, choice=choice.choice(scene, draw, room)), []
    except LacksDataError as why:
        return figure, [f"no further methods to choose from: {why}"]
    except Exception as error:  # as above: the page shows the figure as it is
        return figure, [f"no further methods to choose from ({type(error).__name__}: {first_line(error)})"]


def _figure(kind: str, scene: FigureData, drawing: Drawing, taken: set[str]) -> Figure:
    svg, pdf, png = style.render(drawing.canvas)
    stem = "-".join(re.sub(r"[^a-z0-9.=]+", "_", part.lower()).strip("_") for part in (kind, *scene.title.split(" / ")))
    name = next(n for n in (stem, *(f"{stem}-{i}" for i in range(2, len(taken) + 3))) if n not in taken)
    return Figure(
        name=name,
        table=scene.title,
        title=drawing.title,
        caption=f"{drawing.reading} {scene.facts()}",
        alt=drawing.alt,
        svg=svg,
        pdf=pdf,
        png=png,
        data=drawing.data,
    )
