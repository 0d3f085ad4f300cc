"""Lines over a row of metrics: how fast models relearn, and how deep in the network the change reaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from cu.metrics.findings import DEPTHS
from cu.metrics.relearning.speed import CURVE
from cu.reporting.figures import style
from cu.reporting.figures.data import FigureData, FigureRow
from cu.reporting.figures.subjects import BEFORE, TARGET
from cu.reporting.figures.types import Drawing, LacksDataError
from cu.reporting.statistics.types import Statistic

HOW_TO = "evaluation=extended has it"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Metrics that are one line, in order: `title` of the panel, `keys`, and what each is called on the axis."""

    title: str
    keys: Sequence[str]
    ticks: Sequence[str]


RELEARNING = Panel(
    title="relearning", keys=[f"relearn/curve@{step}" for step in CURVE], ticks=[str(step) for step in CURVE]
)
LAYERS = [
    Panel(
        title=f"{split} images, to the {whom}",
        keys=[f"cka/layer{depth + 1}_{split}_to_{key}" for depth in range(DEPTHS)],
        ticks=[str(depth + 1) for depth in range(DEPTHS)],
    )
    for split in ("forget", "retain")
    for whom, key in (("original", "original"), ("retrained", "retrain"))
]


def draw_relearning(scene: FigureData) -> Drawing:
    """Accuracy on forget samples over steps of training on them again."""
    data = table(scene, [RELEARNING])
    canvas, (ax,) = style.grid(1, 1, 3.6)
    _lines(ax, scene, data, RELEARNING, scale=100)
    ax.set(
        ylim=_range(data, 100),
        xlabel="steps of training on the forget set again",
        ylabel="accuracy on forget samples [%]",
    )
    style.legend_below(canvas, *ax.get_legend_handles_labels())
    return _drawing(
        data,
        canvas,
        scene,
        title="How fast it comes back",
        reading="All models are trained again on the forget set and as many retain samples, on the same batches; mean "
        "over seeds, band: standard deviation of the retrained models. A line that rises long before the retrained "
        "one is knowledge that was hidden, unless random weights (method=untrained) rise as early; one that rises "
        "long after it is damage.",
        what="Lines of accuracy in percent on forget samples, after",
        scale=100,
    )


def draw_layers(scene: FigureData) -> Drawing:
    """CKA by block of the encoder: of forget and of retain images, to the original and to retrained models."""
    data = table(scene, LAYERS)
    canvas, axes = style.grid(len(LAYERS), 2, 2.0, sharex=True, sharey=True)
    for ax, panel in zip(axes, LAYERS, strict=True):
        _lines(ax, scene, data, panel, scale=1)
        ax.set_title(panel.title, loc="left")
    axes[0].set_ylim(_range(data, 1))
    for ax in axes[::2]:
        ax.set_ylabel("CKA")
    for ax in axes[-2:]:
        ax.set_xlabel("block")
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    style.legend_below(canvas, list(handles.values()), list(handles))
    return _drawing(
        data,
        canvas,
        scene,
        title="How deep the change reaches",
        reading="Debiased linear CKA of each block's output, from the first to the last; mean over seeds, band: "
        "standard deviation of the retrained models. Forget images that stay like the original's up to the last block "
        "are forgotten by the head alone.",
        what="Lines of CKA by block:",
        scale=1,
    )


def table(scene: FigureData, panels: Sequence[Panel]) -> pd.DataFrame:
    """Mean and standard deviation over seeds, one row per model and metric that is known."""
    found = [
        {"model": label, "panel": panel.title, "key": key, "at": tick, "mean": stat.mean, "std": stat.std}
        for label, _, of in sources(scene)
        for panel in panels
        for key, tick in zip(panel.keys, panel.ticks, strict=True)
        if (stat := of(key)) and not math.isnan(stat.mean)
    ]
    data = pd.DataFrame(found, columns=["model", "panel", "key", "at", "mean", "std"])
    if not {row.label for row in scene.few()} & set(data["model"]):
        raise LacksDataError(f"no run reports {panels[0].keys[0]}; {HOW_TO}")
    return data


def sources(scene: FigureData) -> list[tuple[str, FigureRow | None, Callable[[str], Statistic | None]]]:
    """The models of a line each: label, row if it is one, and statistics by key."""
    return [
        (BEFORE, None, lambda key: scene.reference("original", key)),
        *((row.label, row, lambda key, row=row: row.stat(scene, key)) for row in scene.few()),
        (TARGET, None, lambda key: scene.reference("retrained", key)),
    ]


def _lines(ax: Axes, scene: FigureData, data: pd.DataFrame, panel: Panel, scale: float) -> None:
    places = {tick: i for i, tick in enumerate(panel.ticks)}
    for label, row, _ in sources(scene):
        own = data.loc[(data["model"] == label) & (data["panel"] == panel.title)]
        if own.empty:
            continue
        how = style.look(None if row is None else scene.colour_index(row))
        if row is None:
            how |= {"marker": "", "linewidth": 2.2, "linestyle": "-" if label == TARGET else (0, (5, 2))}
        x, y, spread = own["at"].map(places), scale * own["mean"], scale * np.nan_to_num(own["std"])
        ax.plot(x, y, label=label, markersize=5, gid=scene.gid(label), **how)
        if label == TARGET:
            band = {"color": style.INK, "alpha": 0.2, "linewidth": 0, "gid": scene.gid(label)}
            ax.fill_between(x, y - spread, y + spread, **band)
    ax.set_xticks(range(len(panel.ticks)), panel.ticks)


def _range(data: pd.DataFrame, scale: float) -> tuple[float, float]:
    """From the lowest value to 1, with some room; the same for all panels."""
    low = min(float(data["mean"].min()), 0.9)
    room = 0.06 * (1 - low)
    return scale * (low - room), scale * (1 + room)


def _drawing(
    data: pd.DataFrame, canvas: Canvas, scene: FigureData, *, title: str, reading: str, what: str, scale: float
) -> Drawing:
    digits = 0 if scale == 100 else 2
    told = [
        f"{panel}, {model}: "
        + ", ".join(f"{at} {scale * mean:.{digits}f}" for at, mean in zip(own["at"], own["mean"], strict=True))
        for panel, of_panel in data.groupby("panel", sort=False)
        for model, own in of_panel.groupby("model", sort=False)
    ]
    return Drawing(
        title=title,
        reading=reading,
        alt=f"{what} {'; '.join(told)}.",
        data=data,
        canvas=canvas,
        notes=scene.left_out(),
    )
