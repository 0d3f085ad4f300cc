"""The loss attack where it hurts: few false accusations. Log-log ROC curves, forgotten against unseen samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.reporting.figures import style
from cu.reporting.figures.data import FigureData
from cu.reporting.figures.outputs import samples_of
from cu.reporting.figures.subjects import TARGET, subjects
from cu.reporting.figures.types import Drawing, LacksDataError

POINTS = 41
MARKED = (0.01, 0.1)


def mean_curve(models: Sequence[Case], rates: np.ndarray) -> np.ndarray:
    """True-positive rates at these false-positive rates, averaged over models; low loss accuses."""
    curves = []
    for case in models:
        parts = (samples_of(case, "forget"), samples_of(case, "matched"))
        members, others = (-primitives.loss(part.logits, part.label) for part in parts)
        curves.append([primitives.tpr_at_fpr(members, others, rate) for rate in rates])
    return np.mean(curves, axis=0)


def draw(scene: FigureData) -> Drawing:
    """One curve per model, mean over seeds."""
    models, notes = subjects(scene, scene.few(), one_seed=False)
    shown = {model.label: [case for case in model.cases(scene) if len(samples_of(case, "matched"))] for model in models}
    if not all(shown.values()):
        raise LacksDataError("no unseen samples of the forgotten classes to compare with")
    fewest = min(len(samples_of(s, "matched")) for found in shown.values() for s in found)
    least_tpr = 1 / min(len(samples_of(s, "forget")) for found in shown.values() for s in found)
    rates = np.geomspace(1 / fewest, 1, POINTS)
    curves = {label: mean_curve(found, rates) for label, found in shown.items()}
    canvas, (ax,) = style.grid(1, 1, 4.0)
    ax.plot([1e-9, 1], [1e-9, 1], color=style.INK, linewidth=0.8, linestyle=(0, (1, 2)))
    for model in models:
        how = style.look(None if model.row is None else scene.colour_index(model.row))
        if model.row is None:
            how = {**how, "linestyle": "-" if model.label == TARGET else (0, (5, 2)), "linewidth": 2.2}
        visible = np.where(curves[model.label] > 0, curves[model.label], np.nan)
        ax.plot(rates, visible, label=model.label, gid=scene.gid(model.label), **{**how, "marker": ""})
    _scale(ax, 1 / fewest, min(1 / fewest, least_tpr))
    style.legend_below(canvas, *ax.get_legend_handles_labels())
    at = sorted({max(rate, 1 / fewest) for rate in MARKED})
    found = {label: mean_curve(shown[label], np.array(at)) for label in shown}
    told = [
        f"{label} "
        + " and ".join(f"{100 * tpr:.1f} % at {100 * rate:.3g} %" for tpr, rate in zip(own, at, strict=True))
        for label, own in found.items()
    ]
    return Drawing(
        title="ROC of the loss attack at few false positives",
        reading=f"Who is accused of having been forgotten because the loss is low; mean over seeds. Dotted: guessing. "
        f"{fewest} unseen samples: no false-positive rate below {1 / fewest:.2g} can be measured.",
        alt="Log-log ROC curves, true-positive rate at a false-positive rate: " + "; ".join(told) + ".",
        data=pd.DataFrame(
            {"model": label, "false_positive_rate": rate, "true_positive_rate": tpr}
            for label, own in curves.items()
            for rate, tpr in zip(rates, own, strict=True)
        ),
        canvas=canvas,
        notes=(*notes, *scene.left_out()),
    )


def _scale(ax: Axes, left: float, low: float) -> None:
    ax.set(xscale="log", yscale="log", xlim=(left, 1.05), ylim=(low, 1.05))
    ax.set(xlabel="false-positive rate", ylabel="true-positive rate")
    for axis in (
        ax.xaxis,
        ax.yaxis,
    ):  # the formatter of logarithmic axes writes formulas, which figures show as they are
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
