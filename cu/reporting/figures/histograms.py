"""Loss and entropy of forgotten, unseen and kept samples, before, after and retrained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.predictions import Predictions
from cu.reporting.figures import style
from cu.reporting.figures.data import FigureData
from cu.reporting.figures.outputs import Group, samples_of
from cu.reporting.figures.subjects import subjects
from cu.reporting.figures.types import Drawing

LEAST_LOSS, MOST_LOSS = 1e-4, 20.0
BINS = 24
_STATISTICS = {"loss": "loss [nats]", "entropy": "entropy [nats]"}
_GROUPS: Mapping[Group, Mapping[str, Any]] = {
    "forget": {"color": style.VERMILLION, "linestyle": "-", "linewidth": 1.8, "label": "forgotten training samples"},
    "matched": {"color": style.BLUE, "linestyle": (0, (3, 1.2)), "linewidth": 1.6, "label": "unseen, same classes"},
    "retain": {"color": style.INK, "linestyle": (0, (1, 1)), "linewidth": 1.2, "label": "kept training samples"},
}


def statistic(name: str, part: Predictions) -> np.ndarray:
    """Loss or entropy [N] of each sample, in nats."""
    return primitives.loss(part.logits, part.label) if name == "loss" else primitives.entropy(part.logits)


def membership_auc(name: str, case: Case) -> float:
    """Chance that a forgotten sample has a lower loss (entropy) than an unseen one; 0.5 tells nothing."""
    return primitives.auc(-statistic(name, samples_of(case, "forget")), -statistic(name, samples_of(case, "matched")))


def bin_edges(name: str, values: np.ndarray, num_classes: int) -> np.ndarray:
    """Edges [25] that all panels share, over the range of all values; logarithmic, and within limits, for the loss."""
    if name == "entropy":
        return np.linspace(min(values.min(), 0.5 * np.log(num_classes)), np.log(num_classes), BINS + 1)
    low, high = np.clip([values.min(), values.max()], LEAST_LOSS, MOST_LOSS)
    return np.geomspace(low, max(high, 10 * low), BINS + 1)


def bin_shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Share [bins] of samples in each bin; what lies outside counts in the first or last one."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
    return counts / max(len(values), 1)


def draw(scene: FigureData) -> Drawing:
    """A row of two panels for each model, all of one seed."""
    models, notes = subjects(scene, scene.few(), one_seed=True)
    shown = {model.label: model.cases(scene)[0] for model in models}
    canvas, axes = style.grid(2 * len(shown), 2, 1.2, sharex="col")
    rows, areas = [], {}
    for column, name in enumerate(_STATISTICS):
        values = {(m, g): statistic(name, samples_of(s, g)) for m, s in shown.items() for g in _GROUPS}
        edges = bin_edges(name, np.concatenate(list(values.values())), len(scene.class_names()))
        for place, (model, outputs) in enumerate(shown.items()):
            areas[model, name] = membership_auc(name, outputs)
            shares = {group: bin_shares(values[model, group], edges) for group in _GROUPS}
            axes[2 * place + column].set_gid(scene.gid(model))
            _panel(axes[2 * place + column], name, edges, shares, model, areas[model, name])
            rows += [
                {"model": model, "statistic": name, "group": group, "left": low, "right": high, "share": share}
                for group, own in shares.items()
                for low, high, share in zip(edges[:-1], edges[1:], own, strict=True)
            ]
    for ax, label in zip(axes[-2:], _STATISTICS.values(), strict=True):
        ax.set_xlabel(label)
    canvas.supylabel("samples per bin [%]", fontsize=9)
    style.legend_below(canvas, *axes[0].get_legend_handles_labels())
    told = {
        model: f"{model}: AUC of loss {areas[model, 'loss']:.2f}, of entropy {areas[model, 'entropy']:.2f}, "
        f"median loss forgotten {_median(s, 'forget')}, unseen {_median(s, 'matched')}, kept {_median(s, 'retain')}"
        for model, s in shown.items()
    }
    seed = models[0].sources[0][0].result.seeds.seed
    return Drawing(
        title="Loss and entropy of forgotten, unseen and kept samples",
        reading=f"Share of samples per bin [%], seed {seed}; a loss outside counts in the first or last bin. AUC: "
        "chance that a forgotten sample scores lower than an unseen one of the same classes. The panels to look like "
        "are those of the retrained model.",
        alt=f"Histograms of loss and entropy, seed {seed}. " + "; ".join(told.values()) + ".",
        data=pd.DataFrame(rows),
        canvas=canvas,
        notes=(*notes, *scene.left_out()),
        told=told,
    )


def _panel(ax: Axes, name: str, edges: np.ndarray, shares: dict, model: str, area: float) -> None:
    for group, own in shares.items():
        ax.stairs(100 * own, edges, **_GROUPS[group])
    if name == "loss":
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1,) if edges[-1] > 100 * edges[0] else (1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_title(model, loc="left")
    ax.set_title(f"AUC {area:.2f}", loc="right")
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(MaxNLocator(2))


def _median(case: Case, name: Group) -> str:
    part = samples_of(case, name)
    return f"{np.median(primitives.loss(part.logits, part.label)):.2g}" if len(part) else "n/a"
