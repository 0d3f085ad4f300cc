"""Figure 2 of the paper: accuracy on the forgotten class against the unlearn batch, ours over the published curve."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from cu.reporting.figures import style
from cu.reporting.figures.data import FIRST, FigureData
from cu.reporting.figures.outputs import RunRecord
from cu.reporting.figures.trajectory import HOW_TO, looks
from cu.reporting.figures.types import Drawing, LacksDataError

PUBLISHED = Path(__file__).with_name("published_batch_curve.csv")


def published() -> pd.DataFrame:
    """The published points: `curve`, `batch`, `accuracy` in [0, 1]; the file names their source."""
    return pd.read_csv(PUBLISHED, comment="#")


def first_pass(run: RunRecord) -> pd.DataFrame:
    """`batch` and `accuracy` of the first pass over the forget set; a forget batch is omega steps. May be empty."""
    try:
        config = yaml.safe_load((run.folder / "config.yaml").read_text(encoding="utf-8"))["method"]
        omega, size = config["omega"], config["recipe"]["batch_size"]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise LacksDataError(f"{run.folder / 'config.yaml'} names no omega and batch size ({error!r})") from error
    batches = -(-run.result.split_sizes["forget"] // size)
    curve = looks(run)[["step", "forget_train_acc"]].dropna()
    curve = curve.loc[curve["step"] <= batches * omega]
    return pd.DataFrame({"batch": curve["step"] / omega, "accuracy": curve["forget_train_acc"]})


def draw(scene: FigureData) -> Drawing:
    """Our curves, one per seed and setting, in front of the published ones."""
    if scene.kind != "class":
        raise LacksDataError("only for class scenarios, as in the paper")
    rows = [row for row in scene.rows if row.method == FIRST]
    if not rows:
        raise LacksDataError(f"no finished run of {FIRST}")
    ours = [(row, run, curve) for row in rows for run in row.runs if len(curve := first_pass(run))]
    if not ours:
        raise LacksDataError(f"no run of {FIRST} kept a trajectory; {HOW_TO}")
    paper = published()
    canvas, (ax,) = style.grid(1, 1, 3.6)
    for (name, own), dash in zip(paper.groupby("curve", sort=False), ((0, (1, 1.2)), (0, (5, 2))), strict=False):
        ax.plot(own["batch"], 100 * own["accuracy"], color=style.INK, linestyle=dash, label=f"published: {name}")
    for row, run, curve in ours:
        how = {**style.look(scene.colour_index(row)), "linewidth": 1.8, "markersize": 4}
        name = row.label if run is row.runs[0] else None
        ax.plot(curve["batch"], 100 * curve["accuracy"], **how, markevery=max(1, len(curve) // 12), label=name)
    ax.set(xlabel="unlearn batch", ylabel="accuracy on forgotten training samples [%]", ylim=(-3, 103))
    style.legend_below(canvas, *ax.get_legend_handles_labels())
    own = [curve.assign(source="measured", curve=row.label, seed=run.result.seeds.seed) for row, run, curve in ours]
    told = [
        f"{row.label}, seed {run.result.seeds.seed}: {100 * curve['accuracy'].iloc[0]:.0f} % before, "
        f"{100 * curve['accuracy'].iloc[-1]:.0f} % at batch {curve['batch'].iloc[-1]:g}"
        for row, run, curve in ours
    ]
    return Drawing(
        title="Forgetting within one pass (Figure 2 of the paper)",
        reading="First pass over the forget set, one line per seed. Published points: arXiv 2401.10458 Figure 2, "
        "digitised; the paper names neither data set nor model, so shapes can be compared, not values.",
        alt="Lines of accuracy on forgotten training samples over unlearn batches. " + "; ".join(told) + ". Published "
        "contrastive: 100 % to batch 17, 46 % at 25, up again to 71 % at 33, 1 % from 60; boundary shrink and "
        "expansion: 98 % at 3, 38 % at 14, 13 % from 49.",
        data=pd.concat([*own, paper.assign(source="published")], ignore_index=True),
        canvas=canvas,
    )
