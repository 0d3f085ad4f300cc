"""What forgetting costs: distance to retraining in utility against distance to retraining in what is remembered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from cu.reporting.figures import style
from cu.reporting.figures.data import FigureData
from cu.reporting.figures.subjects import BEFORE
from cu.reporting.figures.types import Drawing, LacksDataError
from cu.reporting.statistics.judge import is_judged

FEWEST_SEEDS = 3  # of two seeds, the 95 % interval is 9 standard deviations wide to either side
# (utility, what is remembered): of the latter the first that is there.
_AXES = {
    "class": ("retain_test_acc", ("probe/fewshot10_forget_acc", "probe/linear_forget_test_acc", "forget_train_acc")),
    "sample": ("test_acc", ("mia/loss_auc", "unlearn_score", "forget_train_acc")),
}
_NAMES = {
    "retain_test_acc": "test accuracy on retained classes",
    "test_acc": "test accuracy",
    "probe/fewshot10_forget_acc": "10-shot probe of the forgotten classes",
    "probe/linear_forget_test_acc": "linear probe of the forgotten classes",
    "forget_train_acc": "accuracy on forgotten samples",
    "mia/loss_auc": "AUC of the loss attack",
    "unlearn_score": "unlearn score",
}


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Positions of the points that no other beats in both coordinates (smaller is better), by the first coordinate.

    Of equal points all stay.
    """
    order = sorted(range(len(points)), key=lambda i: points[i])
    front: list[int] = []
    for i in order:
        if not front or points[i][1] < points[front[-1]][1] or points[i] == points[front[-1]]:
            front.append(i)
    return front


def draw(scene: FigureData) -> Drawing:
    """One point per method and setting: mean |gap| over seeds, with 95 % intervals."""
    utility, remembered = _keys(scene)
    points = pd.DataFrame(_points(scene, utility, remembered))
    if points.empty:
        raise LacksDataError(f"no method has gaps of both {utility} and {remembered}; they need reference.k=1 or more")
    own = points.loc[points["method"] != BEFORE]
    # One retrained model or one seed cannot tell who beats whom.
    told_apart = all((stat := row.stat(scene, utility)) is None or is_judged(stat) for row in scene.rows)
    chosen = own.index[pareto(list(zip(own["x"], own["y"], strict=True)))] if told_apart else own.index[:0]
    points["on_front"] = points.index.isin(chosen)
    floors = tuple(_floor(scene, key) for key in (utility, remembered))
    canvas, (ax,) = style.grid(1, 1, 4.2)
    _frame(ax, points, floors)
    _marks(ax, points)
    percent = {key: " [points]" if key.endswith(("_acc", "score")) else "" for key in (utility, remembered)}
    ax.set_xlabel(f"|gap to retrained|, {_NAMES[utility]}{percent[utility]}")
    ax.set_ylabel(f"|gap to retrained|, {_NAMES[remembered]}{percent[remembered]}", wrap=True)
    style.legend_below(canvas, *ax.get_legend_handles_labels())
    told = [f"{p['model']} ({p['x']:.3g}, {p['y']:.3g})" for p in points.to_dict("records")]
    best = points.loc[chosen]
    ellipse = f" Noise floor: {floors[0]:.2g} and {floors[1]:.2g}." if not any(map(math.isnan, floors)) else ""
    return Drawing(
        title="What forgetting costs",
        reading="Mean absolute distance to the retrained models, over seeds with 95 % t-intervals from three seeds on; "
        "the star is retraining"
        + (", the ellipse what two retrained models differ by" if ellipse else "")
        + (
            ". The line joins the methods whose means no other's beat on both axes."
            if told_apart
            else ". No line tells who beats whom: that takes two seeds or more with two retrained models in each."
        ),
        alt=f"Scatter of |gap| in {_NAMES[utility]} and |gap| in {_NAMES[remembered]}: {'; '.join(told)}. "
        + (f"Not beaten on both: {', '.join(best['model'])}." if told_apart else "No verdict.")
        + ellipse,
        data=points.assign(x_key=utility, y_key=remembered, x_floor=floors[0], y_floor=floors[1]),
        canvas=canvas,
    )


def _keys(scene: FigureData) -> tuple[str, str]:
    utility, candidates = _AXES[scene.kind]
    there = {key for own in scene.stats.values() for key, stat in own.items() if not math.isnan(stat.gap)}
    return utility, next((key for key in candidates if key in there), candidates[0])


def _points(scene: FigureData, utility: str, remembered: str) -> list[dict]:
    found = []
    methods = list(dict.fromkeys(row.method for row in scene.rows))  # settings of one method look alike
    rows = [
        *((row.label, row.method, methods.index(row.method), partial(row.stat, scene)) for row in scene.rows),
        (BEFORE, BEFORE, None, partial(scene.reference, BEFORE)),
    ]
    for label, method, index, stat in rows:
        x, y = stat(utility), stat(remembered)
        if x and y and not math.isnan(x.gap) and not math.isnan(y.gap):
            measured = {"x": _scaled(utility, x.abs_gap), "x_ci95": _scaled(utility, x.abs_gap_ci95)}
            measured |= {"y": _scaled(remembered, y.abs_gap), "y_ci95": _scaled(remembered, y.abs_gap_ci95)}
            found.append({"model": label, "method": method, "place": index, **measured, "seeds": int(x.gap_n)})
    return found


def _scaled(key: str, value: float) -> float:
    return 100 * value if key.endswith(("_acc", "score")) else value


def _floor(scene: FigureData, key: str) -> float:
    stats = [stat for row in scene.rows if (stat := row.stat(scene, key))]
    known = [stat.floor for stat in stats if not math.isnan(stat.floor)]
    return _scaled(key, sum(known) / len(known)) if known else math.nan


def _frame(ax: Axes, points: pd.DataFrame, floors: tuple[float, ...]) -> None:
    extents = [(float(points[c].max()), 1.5 * np.nan_to_num(f), 1e-3) for c, f in zip("xy", floors, strict=True)]
    limits = [1.15 * max(extent) for extent in extents]
    ax.set(xlim=(-0.03 * limits[0], limits[0]), ylim=(-0.03 * limits[1], limits[1]))
    if not any(map(math.isnan, floors)):
        size = {"width": 2 * floors[0], "height": 2 * floors[1]}
        ax.add_patch(Ellipse((0, 0), **size, facecolor=style.INK, alpha=0.25, label="noise floor"))
    ax.plot([0], [0], marker="*", markersize=13, color=style.INK, linestyle="", clip_on=False, label="retrained")
    front = points.loc[points["on_front"]].sort_values(["x", "y"])
    ax.plot(front["x"], front["y"], color=style.INK, linewidth=1, drawstyle="steps-post")


def _marks(ax: Axes, points: pd.DataFrame) -> None:
    named: Mapping[str, int] = points["method"].value_counts().to_dict()
    for method, own in points.groupby("method", sort=False):
        place = own["place"].iloc[0]
        how = style.look(None if pd.isna(place) else int(place))
        label = own["model"].iloc[0] if named[str(method)] == 1 else f"{method} ({named[str(method)]} settings)"
        told = own.loc[own["seeds"] >= FEWEST_SEEDS]
        bars = {"xerr": told["x_ci95"], "yerr": told["y_ci95"], "linestyle": "", "elinewidth": 0.8}
        ax.errorbar(told["x"], told["y"], **bars, color=how["color"], alpha=0.7)
        # Hollow, so that methods in one place are all seen.
        hollow = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.6, "linestyle": ""}
        marker = "P" if pd.isna(place) else how["marker"]
        ax.plot(own["x"], own["y"], marker=marker, color=how["color"], label=label, **hollow)
