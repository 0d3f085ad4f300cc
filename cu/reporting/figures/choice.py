"""Figures with room for a few methods, drawn of more, so that the reader of a page can choose whom to see.

A page that holds them has one SVG for each model, or one SVG in which each model's lines can be hidden. Bounds: `ROOM`
methods, which is about 600 kB of markup for a figure at most; a test holds it to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from cu.reporting.figures import style
from cu.reporting.figures.data import BEFORE, MOST_DRAWN, TARGET, FigureData
from cu.reporting.figures.types import Choice, Drawing, Model, Part
from cu.reporting.types import FigureName

# A map has hundreds of points, and t-SNE takes some tenths of a second.
ROOM: Mapping[FigureName, int] = {
    **dict.fromkeys(("depths", "histograms", "roc", "trajectory", "relearning", "layers"), MOST_DRAWN),
    **dict.fromkeys(("embedding_map", "embedding_plane"), 12),
}
_EDGE = 3.0  # points around a panel
_SWATCH = (0.42, 0.15)  # inches


def choice(scene: FigureData, draw: Callable[[FigureData], Drawing], room: int) -> Choice:
    """A figure of up to `room` methods, in parts."""
    drawing = draw(scene.with_room(room))
    panels: dict[str, list[Axes]] = {}
    for ax in drawing.canvas.axes:
        if ax.get_gid():
            panels.setdefault(str(ax.get_gid()).removeprefix("model-"), []).append(ax)
    labels = [BEFORE, *(row.label for row in scene.with_room(room).few()), TARGET]
    first = {BEFORE, TARGET, *(row.label for row in scene.few())}
    if panels:
        shown = {label: "" for label in labels if scene.key(label) in panels}
        told = {scene.key(label): f"{drawing.title}: {drawing.told.get(label, label)}." for label in shown}
        parts = _in_panels(drawing.canvas, panels, told)
    else:
        shown = {label: _swatch(handle) for handle, label in style.legend_taken(drawing.canvas)}
        style.lay_out(drawing.canvas)
        parts = [Part(key="", alt=drawing.alt, svg=style.svg(drawing.canvas))]
    models = [
        Model(key=scene.key(label), label=label, first=label in first, swatch=shown[label])
        for label in labels
        if label in shown
    ]
    count = sum(model.label not in (BEFORE, TARGET) for model in models)
    note = f"{count} of {scene.total} methods can be shown here." if count < scene.total else ""
    return Choice(models=tuple(models), parts=tuple(parts), note=note)


def _in_panels(canvas: Canvas, panels: Mapping[str, list[Axes]], told: Mapping[str, str]) -> list[Part]:
    """A drawing for each model, and one of the legend if there is one."""
    _label_every(panels)
    style.lay_out(canvas)
    everything = [*canvas.axes, *canvas.legends, *canvas.texts]
    if supylabel := getattr(canvas, "_supylabel", None):
        everything.append(supylabel)
    groups: dict[str, list[Any]] = {"": list(canvas.legends), **panels} if canvas.legends else {**panels}
    views = {key: _view(canvas, group) for key, group in groups.items()}
    parts = []
    for key, group in groups.items():
        for artist in everything:
            artist.set_visible(artist in group)
        parts.append(Part(key=key, alt=told.get(key, "Legend."), svg=_cut(style.svg(canvas), views[key])))
    return parts


def _label_every(panels: Mapping[str, list[Axes]]) -> None:
    """Give each panel the labels of its axes, which it shares with the last of its column and the first of its row."""
    last, first = list(panels.values())[-1], next(iter(panels.values()))
    for group in panels.values():
        for ax, below, left in zip(group, last, first, strict=True):
            ax.xaxis.set_tick_params(labelbottom=True)
            ax.yaxis.set_tick_params(labelleft=True)
            ax.set_xlabel(ax.get_xlabel() or below.get_xlabel())
            ax.set_ylabel(ax.get_ylabel() or left.get_ylabel())


def _view(canvas: Canvas, group: list[Any]) -> str:
    """Size and view box of an SVG that shows some artists and no more, in points."""
    # Points now: drawing an SVG sets the canvas to 72 dots per inch.
    points = 72 / canvas.dpi
    box = Bbox.union([artist.get_tightbbox() for artist in group])
    left, top = box.x0 * points - _EDGE, (canvas.bbox.height - box.y1) * points - _EDGE
    width, height = box.width * points + 2 * _EDGE, box.height * points + 2 * _EDGE
    return f'width="{width:.1f}pt" height="{height:.1f}pt" viewBox="{left:.1f} {top:.1f} {width:.1f} {height:.1f}"'


def _cut(svg: str, view: str) -> str:
    """The part of a drawing that is in view."""
    head, body = svg.split(">", 1)
    return re.sub(r'\s(width|height|viewBox)="[^"]*"', "", head) + f" {view}>{body}"


def _swatch(handle: Line2D) -> str:
    """A legend's line by itself."""
    canvas = Canvas(figsize=_SWATCH)
    line = Line2D([0.04, 0.5, 0.96], [0.5] * 3)
    line.update_from(handle)
    line.set(markevery=[1], clip_on=False)
    canvas.add_artist(line)
    line.set_transform(canvas.transFigure)
    return style.svg(canvas)
