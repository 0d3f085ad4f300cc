"""Where forgotten samples of many classes go: their own class, the retrained model's mistake, or another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cu.metrics.predictions import Predictions
from cu.metrics.primitives import predicted
from cu.reporting.figures import style
from cu.reporting.figures.data import FigureData
from cu.reporting.figures.outputs import Group, samples_of
from cu.reporting.figures.subjects import Subject, subjects
from cu.reporting.figures.types import Drawing, LacksDataError

SPLITS: Mapping[Group, str] = {"forget": "forgotten training samples", "matched": "unseen samples of the same classes"}
DESTINATIONS = ("own class", "same mistake as retrained", "another mistake")
_MISTAKES: tuple[dict[str, Any], ...] = (
    {"facecolor": style.BLUE},
    {"facecolor": "none", "edgecolor": style.VERMILLION, "hatch": "////"},
)


def destination_shares(judged: Predictions, retrained: Predictions | None) -> tuple[float, float, float]:
    """Shares of samples given their own class, the retrained model's wrong class, and another wrong class."""
    given = predicted(judged.logits)
    right = given == judged.label
    alike = np.zeros_like(right) if retrained is None else ~right & (given == predicted(retrained.logits))
    return float(right.mean()), float(alike.mean()), float((~right & ~alike).mean())


def draw(scene: FigureData) -> Drawing:
    """Stacked bars, one per model, in a panel per split; means over seeds."""
    if scene.kind != "sample":
        raise LacksDataError("only for sample scenarios; see the destinations of forgotten classes")
    models, notes = subjects(scene, scene.rows, one_seed=False)
    shares = {(model.label, split): _mean_shares(scene, model, split) for model in models for split in SPLITS}
    order = [model.label for model in models]
    canvas, axes = style.grid(len(SPLITS), 1, 0.6 + 0.24 * len(order), sharex=True)
    for ax, (split, title) in zip(axes, SPLITS.items(), strict=True):
        _panel(ax, title, {label: shares[label, split] for label in order})
    axes[-1].set_xlabel("samples given another class than their own [%]")
    style.legend_below(canvas, *axes[0].get_legend_handles_labels())
    data = pd.DataFrame(
        {"model": model, "split": split, "destination": name, "share": share}
        for (model, split), found in shares.items()
        for name, share in zip(DESTINATIONS, found, strict=True)
    )
    return Drawing(
        title="Where forgotten samples go",
        reading="Share of samples given the wrong class that a retrained model gives them too, or another wrong class, "
        "and in figures the share given their own; mean over seeds. A model that never saw the samples "
        "treats both panels alike.",
        alt=_alt(shares, order),
        data=data,
        canvas=canvas,
        notes=tuple(notes),
    )


def _mean_shares(scene: FigureData, model: Subject, split: Group) -> np.ndarray:
    found = []
    for (run, path), case in zip(model.sources, model.cases(scene), strict=True):
        others = [other for other in run.result.models.retrained if other != path.parent.name]
        peer = None
        if others:
            file = next(f for f in run.retrained_files if f.parent.name == others[0])
            key = (file, run.result.seeds.forget_seed)
            peer = samples_of(scene.once(key, lambda r=run, f=file: r.case(f)), split)
        found.append(destination_shares(samples_of(case, split), peer))
    return np.mean(found, axis=0)


def _panel(ax: Axes, title: str, shares: Mapping[str, np.ndarray]) -> None:
    labels, left = list(shares), np.zeros(len(shares))
    for place, how in enumerate(_MISTAKES, start=1):
        widths = np.array([100 * shares[label][place] for label in labels])
        ax.barh(labels, widths, left=left, height=0.65, label=DESTINATIONS[place], linewidth=1, **how)
        left = left + widths
    for y, (label, end) in enumerate(zip(labels, left, strict=True)):
        ax.annotate(f"own {100 * shares[label][0]:.1f}", (end, y), (3, 0), textcoords="offset points", va="center")
    ax.set_title(title, loc="left")
    ax.margins(x=0.25)
    ax.set_xlim(left=0)
    ax.invert_yaxis()


def _alt(shares: Mapping[tuple[str, str], np.ndarray], order: Sequence[str]) -> str:
    told = []
    for split, title in SPLITS.items():
        each = [
            f"{label} {100 * shares[label, split][0]:.1f}, {100 * shares[label, split][1]:.1f} and "
            f"{100 * shares[label, split][2]:.1f}"
            for label in order
        ]
        told.append(f"Stacked bars of {title}, percent given {', '.join(DESTINATIONS)}: " + "; ".join(each) + ".")
    return " ".join(told)
