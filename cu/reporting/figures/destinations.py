"""Where forgotten samples go: the classes that models give to samples of the forgotten classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cu.metrics.predictions import Predictions
from cu.metrics.primitives import predicted
from cu.reporting.figures import style
from cu.reporting.figures.data import FigureData
from cu.reporting.figures.outputs import Group, samples_of
from cu.reporting.figures.subjects import TARGET, subjects
from cu.reporting.figures.types import Drawing, LacksDataError

SPLITS: Mapping[Group, str] = {"forget": "forgotten training samples", "matched": "test samples of forgotten classes"}
MOST_CLASSES = 12
OTHER = "other"


def class_shares(parts: Sequence[Predictions], num_classes: int) -> np.ndarray:
    """Share [C] of samples that are given each class, averaged over models; NaN without samples."""
    counts = [np.bincount(predicted(p.logits), minlength=num_classes) / max(len(p), 1) for p in parts if len(p)]
    return np.mean(counts, axis=0) if counts else np.full(num_classes, np.nan)


def draw(scene: FigureData) -> Drawing:
    """Heat maps of the shares, one per split; means over seeds."""
    if scene.kind != "class":
        raise LacksDataError("only for class scenarios; forgotten samples of many classes have no common destination")
    models, notes = subjects(scene, scene.rows, one_seed=False)
    names = scene.class_names()
    shares = {
        (model.label, split): class_shares([samples_of(case, split) for case in model.cases(scene)], len(names))
        for model in models
        for split in SPLITS
    }
    labels, shares = largest_columns(names, shares)
    rows = [
        {"model": model, "split": split, "predicted": label, "share": share}
        for (model, split), row in shares.items()
        for label, share in zip(labels, row, strict=True)
    ]
    order = [model.label for model in models]
    canvas, axes = style.grid(len(SPLITS), 1, 0.75 + 0.24 * len(order))
    for ax, (split, title) in zip(axes, SPLITS.items(), strict=True):
        _panel(ax, title, order, labels, np.array([shares[label, split] for label in order]))
    data = pd.DataFrame(rows)
    return Drawing(
        title="Where forgotten samples go",
        reading="Share of samples that a model gives to each class, in percent, mean over seeds. The row to look like "
        "is that of the retrained models, not one of zeros and not an even one.",
        alt=_alt(data, order),
        data=data,
        canvas=canvas,
        notes=tuple(notes),
    )


def largest_columns(names: list[str], shares: dict) -> tuple[list[str], dict]:
    """At most twelve columns: the classes that most samples go to, and the sum of the others."""
    if len(names) <= MOST_CLASSES:
        return names, shares
    total = np.nansum(list(shares.values()), axis=0)
    kept = np.sort(np.argsort(-total, kind="stable")[: MOST_CLASSES - 1])
    rest = np.setdiff1d(np.arange(len(names)), kept)
    cut = {key: np.append(row[kept], row[rest].sum()) for key, row in shares.items()}
    return [*(names[i] for i in kept), OTHER], cut


def _panel(ax: Axes, title: str, models: Sequence[str], classes: Sequence[str], shares: np.ndarray) -> None:
    ax.pcolormesh(np.nan_to_num(shares), cmap=style.shares_map(), vmin=0, vmax=1, edgecolors=style.INK, linewidth=0.3)
    for (y, x), share in np.ndenumerate(shares):
        if share >= 0.005:
            ax.text(
                *(x + 0.5, y + 0.5, f"{100 * share:.0f}"),
                **{"ha": "center", "va": "center", "fontsize": 8, "color": style.text_on_share(share)},
            )
    ax.set_title(title, loc="left")
    ax.set_yticks(np.arange(len(models)) + 0.5, models)
    long = max(map(len, classes)) > 3
    ax.set_xticks(np.arange(len(classes)) + 0.5, classes, rotation=35 if long else 0, ha="right" if long else "center")
    style.framed(ax)
    ax.invert_yaxis()


def _alt(data: pd.DataFrame, order: Sequence[str]) -> str:
    sentences = []
    for split, title in SPLITS.items():
        told = []
        for model in order:
            own = data.loc[(data["model"] == model) & (data["split"] == split)].nlargest(3, "share")
            top = [f"{100 * s:.0f} % to {p}" for p, s in zip(own["predicted"], own["share"], strict=True) if s >= 0.005]
            told.append(f"{model}: {', '.join(top) or 'none'}")
        sentences.append(f"Heat map of {title}. " + "; ".join(told) + ".")
    return " ".join(sentences) + ("" if TARGET in order else " There is no retrained model to compare with.")
