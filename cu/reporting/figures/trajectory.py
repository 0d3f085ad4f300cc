"""How accuracies move during unlearning, with the retrained models' values as bands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from cu.disk.files import Damaged
from cu.disk.json_lines import read_rows
from cu.reporting.figures import style
from cu.reporting.figures.data import FigureData
from cu.reporting.figures.outputs import RunRecord
from cu.reporting.figures.types import Drawing, LacksDataError
from cu.reporting.statistics.types import Statistic
from cu.store.intact import require_intact

PREFIX = "trajectory/"
HOW_TO = "evaluation.trajectory_every=N keeps one"
Bands = Mapping[str, Statistic | None]
_LINES: Mapping[str, Mapping[str, Any]] = {
    "forget_train_acc": {"color": style.VERMILLION, "linestyle": "-", "marker": "o"},
    "retain_test_acc": {"color": style.BLUE, "linestyle": (0, (4, 1.5)), "marker": "s"},
    "forget_test_acc": {"color": style.GREEN, "linestyle": (0, (1, 1.2)), "marker": "^"},
}
_FORGOTTEN = "forgotten training samples"
_NAMES = {
    "class": dict(zip(_LINES, (_FORGOTTEN, "retained test samples", "forgotten test samples"), strict=True)),
    "sample": dict(zip(_LINES, (_FORGOTTEN, "test samples", "none"), strict=True)),
}


def looks(run: RunRecord) -> pd.DataFrame:
    """Accuracies in [0, 1] by `step`, from `metrics.jsonl`; step 0 is the original. Empty if none were kept."""
    try:
        require_intact(run.folder, run.result.lists, "metrics.jsonl")
        rows = read_rows(run.folder / "metrics.jsonl")
    except Damaged as error:
        raise LacksDataError(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise LacksDataError(f"{run.folder / 'metrics.jsonl'} cannot be read ({type(error).__name__})") from error
    kept = [row for row in rows if isinstance(row, dict) and any(name.startswith(PREFIX) for name in row)]
    if not kept:
        return pd.DataFrame(columns=["step", *_LINES])
    start = {key: entry.original if (entry := run.result.metrics.get(key)) else None for key in _LINES}
    found = [{"step": row["step"], **{key: row.get(PREFIX + key) for key in _LINES}} for row in kept]
    return pd.DataFrame([{"step": 0, **start}, *found]).astype(float)


def draw(scene: FigureData) -> Drawing:
    """One panel per method, one line per seed and split."""
    rows = [(row, [(run, looks(run)) for run in row.runs]) for row in scene.few()]
    there = [(row, [(run, own) for run, own in found if len(own)]) for row, found in rows]
    there = [(row, found) for row, found in there if found]
    if not there:
        raise LacksDataError(f"no run kept a trajectory; {HOW_TO}")
    absent = [row.label for row, found in rows if not any(len(own) for _, own in found)]
    lacking = [f"no trajectory of {', '.join(absent)}; {HOW_TO} for methods that descend"] if absent else []
    canvas, axes = style.grid(len(there), 2, 1.9, sharey=True)
    bands = {key: scene.reference("retrained", key) for key in _LINES}
    for ax, (row, found) in zip(axes, there, strict=True):
        ax.set_gid(scene.gid(row.label))
        _panel(ax, row.label, [own for _, own in found], bands, _NAMES[scene.kind])
    lowest = min(float(own[list(_LINES)].min().min()) for _, found in there for _, own in found)
    axes[0].set_ylim(max(-3.0, 100 * lowest - 8), 102)  # shared by all panels
    for ax in axes[::2]:
        ax.set_ylabel("accuracy [%]")
    for ax in axes[-2:]:
        ax.set_xlabel("step")
    style.legend_below(canvas, *axes[0].get_legend_handles_labels())
    told = _told(there, _NAMES[scene.kind])
    data = pd.concat(
        [
            own.melt("step", var_name="key", value_name="accuracy")
            .dropna()
            .assign(model=row.label, seed=run.result.seeds.seed)
            for row, found in there
            for run, own in found
        ],
        ignore_index=True,
    )
    return Drawing(
        title="Accuracy during unlearning",
        reading="One line per seed; step 0 is the original model. Horizontal bands: mean ± standard deviation of the "
        "retrained models.",
        alt=_alt(told, bands, _NAMES[scene.kind]),
        data=data.loc[:, ["model", "seed", "key", "step", "accuracy"]],
        canvas=canvas,
        notes=(*lacking, *scene.left_out()),
        told=told,
    )


def _panel(ax: Axes, title: str, runs: list[pd.DataFrame], bands: Bands, names: Mapping[str, str]) -> None:
    for key, how in _LINES.items():
        for i, own in enumerate(own[["step", key]].dropna() for own in runs):
            every = max(1, len(own) // 6)
            label = names[key] if i == 0 and len(own) else None
            ax.plot(own["step"], 100 * own[key], **how, markevery=every, markersize=4, linewidth=1.3, label=label)
        if band := bands[key]:
            _band(ax, 100 * band.mean, 100 * band.std, str(how["color"]))
    ax.set_title(title, loc="left")


def _band(ax: Axes, mean: float, std: float, colour: str) -> None:
    if math.isnan(mean):
        return
    ax.axhline(mean, color=colour, linewidth=0.7)
    if not math.isnan(std):
        ax.axhspan(mean - std, mean + std, color=colour, alpha=0.2, linewidth=0)


def _told(there: list, names: Mapping[str, str]) -> dict[str, str]:
    told = {}
    for row, found in there:
        ends = []
        for key in _LINES:
            last = [own[key].dropna().iloc[-1] for _, own in found if own[key].notna().any()]
            if last:
                ends.append(f"{names[key]} {100 * sum(last) / len(last):.1f} %")
        steps = sorted({int(own["step"].iloc[-1]) for _, own in found})
        told[row.label] = f"{row.label} ends after {' or '.join(map(str, steps))} steps with {', '.join(ends)}"
    return told


def _alt(told: Mapping[str, str], bands: Bands, names: Mapping[str, str]) -> str:
    target = [
        f"{names[key]} {100 * band.mean:.1f} %" for key, band in bands.items() if band and not math.isnan(band.mean)
    ]
    return f"Lines of accuracy over steps. {'; '.join(told.values())}. Retrained: {', '.join(target) or 'unknown'}."
