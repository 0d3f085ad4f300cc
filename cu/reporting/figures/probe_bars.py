"""The illusion plot: what the head says about forgotten classes, and what probes still find in the embedding."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cu.reporting.figures import style
from cu.reporting.figures.data import FigureData
from cu.reporting.figures.subjects import BEFORE, TARGET
from cu.reporting.figures.types import Drawing, LacksDataError

MEASURES = {
    "forget_test_acc": "head",
    "probe/fewshot10_forget_acc": "10-shot probe",
    "probe/knn20_forget_test_acc": "20 nearest neighbours",
    "probe/linear_forget_test_acc": "linear probe",
    "probe_h/fewshot10_forget_acc": "10-shot probe of features",
    "probe_h/linear_forget_test_acc": "linear probe of features",
}


def draw(scene: FigureData) -> Drawing:
    """A panel of bars per measure, one bar per model: mean and standard deviation over seeds."""
    if scene.kind != "class":
        raise LacksDataError("only for class scenarios: the probes look for forgotten classes")
    sources = [
        (BEFORE, None, lambda key: scene.reference("original", key)),
        *((row.label, row, lambda key, row=row: row.stat(scene, key)) for row in scene.rows),
        (TARGET, None, lambda key: scene.reference("retrained", key)),
    ]
    found = [
        {"model": label, "measure": name, "key": key, "mean": stat.mean, "std": stat.std, "n": int(stat.n)}
        for label, _, of in sources
        for key, name in MEASURES.items()
        if (stat := of(key)) and not math.isnan(stat.mean)
    ]
    there = {entry["key"] for entry in found}
    if "forget_test_acc" not in there or len(there) < 2:
        raise LacksDataError("no run reports forget_test_acc and a probe; evaluation=default has both")
    data = pd.DataFrame(found)
    order = [label for label, _, _ in sources if label in set(data["model"])]
    places = {label: None if row is None else scene.colour_index(row) for label, row, _ in sources}
    colours = {label: style.look(place)["color"] for label, place in places.items()}
    shown = [key for key in MEASURES if key in there]
    canvas, axes = style.grid(len(shown), 2, 0.7 + 0.22 * len(order), sharex=True, sharey=True)
    for ax, key in zip(axes, shown, strict=True):
        _panel(ax, data.loc[data["key"] == key].set_index("model"), order, colours)
        ax.set_title(MEASURES[key], loc="left")
    for ax in axes[-2:]:
        ax.set_xlabel("accuracy [%]")
    return Drawing(
        title="What the head denies and the embedding knows",
        reading="Accuracy on test samples of the forgotten classes by the head, and by probes of the embedding or of "
        "what enters the head, with true labels; mean and standard deviation over seeds. Lines: retrained models, the "
        "value to match. A head at zero beside a probe far right of the line is forgetting in name only.",
        alt=f"Bars of accuracy in percent on test samples of the forgotten classes. {'; '.join(_told(data))}.",
        data=data,
        canvas=canvas,
    )


def _told(data: pd.DataFrame) -> list[str]:
    return [
        f"{model} " + ", ".join(f"{m['measure']} {100 * m['mean']:.1f}" for m in own.to_dict("records"))
        for model, own in data.groupby("model", sort=False)
    ]


def _panel(ax: Axes, own: pd.DataFrame, order: list[str], colours: dict[str, str]) -> None:
    own = own.reindex(order)
    mean, std = 100 * own["mean"].to_numpy(), 100 * np.nan_to_num(own["std"].to_numpy())
    bars = ax.barh(order, mean, height=0.7, color=[colours[label] for label in order], alpha=0.9)
    for bar, label in zip(bars, order, strict=True):
        if label in (BEFORE, TARGET):
            bar.set(hatch="///" if label == BEFORE else "", facecolor="none" if label == BEFORE else style.INK)
            bar.set(edgecolor=style.INK, linewidth=0.8)
    ax.errorbar(mean, np.arange(len(order)), xerr=std, linestyle="", ecolor=style.INK, elinewidth=1)
    for y, value in enumerate(mean):
        if not math.isnan(value):
            ax.text(min(value + std[y], 100) + 2, y, f"{value:.0f}", va="center", fontsize=8)
    if TARGET in order and not math.isnan(mean[order.index(TARGET)]):
        ax.axvline(mean[order.index(TARGET)], color=style.INK, linewidth=0.8, linestyle=(0, (3, 2)))
    ax.set_xlim(0, 118)
    ax.set_xticks([0, 50, 100])
    ax.set_ylim(len(order) - 0.5, -0.5)
