"""How far a forgotten class is from the others in the original, and which share of that retrained models keep.

    python scripts/remaining_distance.py [SETTING ...] [--outputs outputs] [--classes 0 2 7 8] [--seed 10]
        [--batches 20]

The distance is that of method=contrastive_matching, in batches of its size and with the classes weighted as it weighs
them, of the images, networks and seeds of experiment=representation/search; another experiment and other settings are
given as to cu-unlearn. Models that are not there are trained. The
last column is the original's distance in the block before its last, where features are said to be general.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cu.config.build import build, composed
from cu.data.types import Split, UnlearningTask
from cu.engine.hardware import Hardware
from cu.engine.predict import SCORING_BATCH, predict
from cu.engine.taps import tapped
from cu.experiment.memorisation import resolve_scenario
from cu.experiment.references import references
from cu.experiment.request import requested
from cu.experiment.workspace import set_up
from cu.methods.contrastive_matching import ContrastiveMatching
from cu.methods.matching_distance import Distance
from cu.methods.matching_level import general_block
from cu.methods.matching_target import masked_shares
from cu.models.types import Classifier
from cu.store.plan import plan_unlearning

EXPERIMENT = "experiment=representation/search"
GROUPS = ("dataset", "model", "scenario", "method")
HEADER = ("class", "z original", "z retrained", "share", "h original", "h retrained", "share", "block before")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row per class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    parser.add_argument("--classes", type=int, nargs="+", default=[0, 2, 7, 8])
    parser.add_argument("--seed", type=int, default=10)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("settings", nargs="*", metavar="SETTING")
    asked = parser.parse_args(arguments)
    print(line(HEADER))
    for gone in asked.classes:
        name, told = row(asked.outputs, gone, asked.seed, asked.batches, asked.settings)
        print(line((f"{gone} {name}", *told)), flush=True)


def line(cells: Sequence[str]) -> str:
    """Cells as a line of a table, the first one to the left."""
    return f"{cells[0]:14}" + "".join(f"{cell:>14}" for cell in cells[1:])


def row(outputs: Path, gone: int, seed: int, batches: int, settings: Sequence[str]) -> tuple[str, Iterator[str]]:
    """Name of the class, and the cells of its row."""
    experiment = () if any(word.startswith("experiment=") for word in settings) else (EXPERIMENT,)
    words = (
        f"paths.outputs={outputs}",
        f"seed={seed}",
        f"scenario.classes=[{gone}]",
        "tracking.mode=disabled",
        *settings,
    )
    config = composed(*experiment, "method=contrastive_matching", "settings=none", "hardware.num_threads=1", *words)
    plan = plan_unlearning(dict(config), dict.fromkeys(GROUPS, "any"))
    workspace, method = set_up(plan.config, plan.original), build(plan.config.method)
    task = requested(workspace, resolve_scenario(build(plan.config.scenario), workspace), method)
    original = workspace.original()
    models = [workspace.load(original), *map(workspace.load, references(workspace, task.retain))]
    found = apart(workspace.hardware, method, task, models, batches, seed)
    return workspace.data.class_names[gone], cells(list(found))


def cells(found: Sequence[Sequence[Sequence[float]]]) -> Iterator[str]:
    """What `apart` gives, as cells: of retrained models the mean, and of their shares the ends."""
    first, *others = (np.mean(batches, axis=0) for batches in found)
    for before, kept in list(zip(first, np.transpose(others), strict=True))[:2]:
        yield from (f"{before:.3f}", f"{kept.mean():.3f}")
        yield f"{(kept / before).min():.2f} to {(kept / before).max():.2f}"
    yield f"{first[2]:.3f}"


def apart(
    hardware: Hardware,
    method: ContrastiveMatching,
    task: UnlearningTask,
    models: Sequence[Classifier],
    batches: int,
    seed: int,
) -> Iterator[list[list[float]]]:
    """For each model, the first of which is the original: distances by batch, in z, in h and in the block before it."""
    distance = Distance(method.match, method.distance, method.widths)
    source = torch.Generator().manual_seed(seed)
    sizes = (method.forget_size, method.recipe.batch_size)
    sets = (task.forget, task.retain)
    drawn = [
        [torch.randperm(len(part), generator=source)[:n] for part, n in zip(sets, sizes, strict=True)]
        for _ in range(batches)
    ]
    shares = masked_shares(predict(models[0], task.forget, hardware).logits, task.forget_classes)
    for model in models:
        lost, kept = (depths(hardware, model, part) for part in sets)
        yield [
            [
                distance(x[i], shares[i], y[j], task.retain.labels[j], source).item()
                for x, y in zip(lost, kept, strict=True)
            ]
            for i, j in drawn
        ]


def depths(hardware: Hardware, model: Classifier, split: Split) -> tuple[Tensor, Tensor, Tensor]:
    """Embedding, features, and the pooled output of the block before the last."""
    with tapped(model) as seen:
        scores = predict(model, split, hardware)
    count = len(seen) // math.ceil(len(split) / SCORING_BATCH)
    return scores.embedding, scores.features, torch.cat(seen[general_block(count) :: count])


if __name__ == "__main__":
    main()
