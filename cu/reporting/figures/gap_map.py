"""How far every method is from retraining by every metric, in units of what retrained models differ by."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize

from cu.reporting.figures import style
from cu.reporting.figures.data import FigureData
from cu.reporting.figures.types import Drawing, LacksDataError

CLIP = 5.0
FLOOR = "retrained"
_MORE = {
    "class": (
        *("forget_train_acc", "forget_test_acc", "retain_train_acc", "retain_test_acc", "retain_neighbor_acc"),
        *("mia/loss_auc", "mia/svc_confidence", "mia/member_rate_forget", "mia/retain_auc", "streisand/entropy_auc"),
        *("probe/linear_forget_test_acc", "probe/fewshot10_forget_acc", "probe/knn20_forget_test_acc"),
        *("cka/forget_to_original", "geom/own_centroid_cos", "calib/retain_test_ece"),
    ),
    "sample": (
        *("forget_train_acc", "retain_train_acc", "test_acc", "unlearn_score", "mia/loss_auc", "mia/svc_confidence"),
        *("mia/member_rate_forget", "mia/member_rate_retain", "mia/retain_auc", "mia/rmia_auc"),
        *("streisand/entropy_auc", "probe/member_auc", "cka/forget_to_original", "calib/retain_test_ece"),
    ),
}


def ratio(distance: float, floor: float, side: float) -> float:
    """The distance in floors, with the sign of `side`; NaN where one is unknown, infinite where the floor is 0."""
    if math.isnan(distance) or math.isnan(floor):
        return math.nan
    if floor == 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, side)
    return math.copysign(distance / floor, side)


def draw(scene: FigureData) -> Drawing:
    """Metrics down, models across; the first column is what one retrained model is from another."""
    stats = [s for own in scene.stats.values() for s in own.values() if s.direction == "match_retrained"]
    judged = {stat.key for stat in stats if not math.isnan(stat.floor)}
    keys = [key for key in dict.fromkeys((*_MORE[scene.kind], *scene.columns)) if key in judged]
    if not keys:
        raise LacksDataError("no noise floor; it needs two retrained models, reference.k=2")
    ratios = {
        (row.label, key): ratio(stat.abs_gap, stat.floor, stat.gap) if (stat := row.stat(scene, key)) else math.nan
        for row in scene.rows
        for key in keys
    }
    models = [FLOOR, *(row.label for row in scene.rows)]
    table = np.array([[1.0, *(ratios[model, key] for model in models[1:])] for key in keys])
    width = max(style.WIDTH, 1.9 + 0.42 * len(models))
    longest = max(map(len, models))
    canvas, (ax,) = style.grid(1, 1, 0.5 + 0.07 * longest + 0.22 * len(keys), width=width)
    _cells(ax, table)
    ax.axvline(1, color=style.INK, linewidth=1.6)
    ax.set_yticks(np.arange(len(keys)) + 0.5, keys)
    ax.set_xticks(np.arange(len(models)) + 0.5, models, rotation=40, ha="left", rotation_mode="anchor")
    ax.xaxis.tick_top()
    style.framed(ax)
    ax.invert_yaxis()
    rows = [
        {"metric": key, "model": model, "gap_in_floors": value}
        for key, line in zip(keys, table, strict=True)
        for model, value in zip(models, line, strict=True)
    ]
    return Drawing(
        title="Distance to retraining by metric, in noise floors",
        reading="Mean absolute gap to the retrained models divided by the noise floor, the mean distance of two "
        "retrained models; the sign is the side of the mean gap. Where retrained models agree exactly every gap is ∞. "
        f"Colours end at ±{CLIP:g}; blue is below, orange above. The first column is one retrained model against "
        "another. A number is no verdict: those are in the table.",
        alt=_alt(pd.DataFrame(rows), models[1:], len(keys)),
        data=pd.DataFrame(rows),
        canvas=canvas,
    )


def _cells(ax: Axes, table: np.ndarray) -> None:
    # Within the noise floor a cell is transparent: nothing to see is the page's own colour.
    low, high = (tuple(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)) for c in (style.BLUE, style.VERMILLION))
    stops = [(0, (*low, 1.0)), (0.5 - 0.5 / CLIP, (*low, 0.0)), (0.5 + 0.5 / CLIP, (*high, 0.0)), (1, (*high, 1.0))]
    colours = LinearSegmentedColormap.from_list("gaps", stops)
    clipped = np.clip(np.ma.masked_invalid(np.where(np.isinf(table), np.sign(table) * CLIP, table)), -CLIP, CLIP)
    clipped[:, 0] = 0  # a distance has no side
    norm = Normalize(-CLIP, CLIP)
    ax.pcolormesh(clipped, cmap=colours, norm=norm, edgecolors=style.INK, linewidth=0.3)
    for (y, x), value in np.ndenumerate(table):
        strong = x > 0 and abs(value) > 0.6 * CLIP
        ax.text(
            *(x + 0.5, y + 0.5, "±1" if x == 0 else written(value)),
            **{"ha": "center", "va": "center", "fontsize": 7.5, "color": "#FFFFFF" if strong else style.INK},
        )


def written(value: float) -> str:
    """A ratio in at most four characters; minus is U+2212."""
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if abs(value) >= 99.5:
        return ">99" if value > 0 else "<−99"
    text = f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"
    return "0" if float(text) == 0 else text.replace("-", "−")


def _alt(data: pd.DataFrame, models: list[str], count: int) -> str:
    told = []
    for model in models:
        own = data.loc[(data["model"] == model) & data["gap_in_floors"].notna()]
        within = int((own["gap_in_floors"].abs() <= 1).sum())
        worst = own.loc[own["gap_in_floors"].abs().sort_values().index[-1]] if len(own) else None
        farthest = f", farthest {worst['metric']} ({written(worst['gap_in_floors'])})" if worst is not None else ""
        told.append(f"{model}: {within} of {len(own)} within ±1{farthest}")
    return f"Heat map of {count} metrics, gaps in noise floors. {'; '.join(told)}."
