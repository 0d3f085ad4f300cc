"""What probes find of forgotten classes at every depth: before, after each method, and retrained."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cu.metrics.findings import DEPTHS
from cu.reporting.figures import style
from cu.reporting.figures.curves import Panel, sources, table
from cu.reporting.figures.data import FigureData
from cu.reporting.figures.subjects import TARGET
from cu.reporting.figures.types import Drawing

PROBES = {
    "linear probe": "linear_forget_test_acc",
    "10-shot probe": "fewshot10_forget_acc",
    "20 nearest neighbours": "knn20_forget_test_acc",
    "nearest class mean": "ncm_forget_test_acc",
}
TICKS = [*(str(depth + 1) for depth in range(DEPTHS)), "h", "z"]
PANELS = [
    Panel(
        title=title,
        keys=[*(f"probe/layer{depth + 1}_{key}" for depth in range(DEPTHS)), f"probe_h/{key}", f"probe/{key}"],
        ticks=TICKS,
    )
    for title, key in PROBES.items()
]


def draw(scene: FigureData) -> Drawing:
    """A panel per probe, a line per model, a band where a second retrained model would lie."""
    data = table(scene, PANELS)
    data["floor"] = [
        floor(scene, key) if model == TARGET else math.nan
        for model, key in zip(data["model"], data["key"], strict=True)
    ]
    panels = [panel for panel in PANELS if panel.title in set(data["panel"])]
    canvas, axes = style.grid(len(panels), 2, 2.2, sharex=True, sharey=True)
    for ax, panel in zip(axes, panels, strict=True):
        _lines(ax, scene, data.loc[data["panel"] == panel.title])
        ax.set_title(panel.title, loc="left")
    for ax in axes[::2]:
        ax.set_ylabel("accuracy [%]")
    for ax in axes[-2:]:
        ax.set_xlabel("block, features h, embedding z")
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    style.legend_below(canvas, list(handles.values()), list(handles))
    return Drawing(
        title="What probes find at every depth",
        reading="Accuracy on test samples of the forgotten classes by probes with true labels at every depth; mean "
        "over seeds, band: noise floor around the retrained models, the mean distance of two of them. A line above the "
        "band is knowledge that was hidden, one below it is damage.",
        alt=f"Lines of probe accuracy in percent by depth: {'; '.join(_told(data))}.",
        data=data,
        canvas=canvas,
        notes=scene.left_out(),
    )


def floor(scene: FigureData, key: str) -> float:
    """The mean distance of two retrained models, by the first method that was compared with two; NaN if none was."""
    stats = (row.stat(scene, key) for row in scene.rows)
    return next((stat.floor for stat in stats if stat and not math.isnan(stat.floor)), math.nan)


def _lines(ax: Axes, scene: FigureData, data: pd.DataFrame) -> None:
    for label, row, _ in sources(scene):
        own = data.loc[data["model"] == label]
        if own.empty:
            continue
        how = style.look(None if row is None else scene.colour_index(row))
        if row is None:
            how |= {"marker": "", "linewidth": 2.2, "linestyle": "-" if label == TARGET else (0, (5, 2))}
        x, y, floor = own["at"].map(TICKS.index), 100 * own["mean"], 100 * np.nan_to_num(own["floor"])
        ax.plot(x, y, label=label, markersize=5, gid=scene.gid(label), **how)
        if label == TARGET:
            band = {"color": style.INK, "alpha": 0.2, "linewidth": 0, "gid": scene.gid(label)}
            ax.fill_between(x, y - floor, y + floor, **band)
    ax.set_ylim(0, 103)
    ax.set_xticks(range(len(TICKS)), TICKS)


def _told(data: pd.DataFrame) -> list[str]:
    return [
        f"{panel}, {model}: "
        + ", ".join(f"{at} {100 * mean:.0f}" for at, mean in zip(own["at"], own["mean"], strict=True))
        for panel, of_panel in data.groupby("panel", sort=False)
        for model, own in of_panel.groupby("model", sort=False)
    ]
