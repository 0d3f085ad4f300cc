from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cu.reporting.collect import collect
from cu.reporting.figures.build import DRAW, build_figures
from cu.reporting.figures.data import figure_data
from cu.reporting.figures.style import styled
from cu.reporting.write import judged
from cu.store.outputs import save_scores

FORGOTTEN = 2
CLASSES = 3
TRAIN, TEST = 45, 24
SIZES = {"retain": 30, "forget": 15, "val": 0, "test": TEST, "test_forget": 8}


def labels(count: int) -> np.ndarray:
    return np.arange(count) % CLASSES


def outputs(seed: int, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Outputs of a made-up model; `shift` lowers the logit of the forgotten class."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for split, count, first in (("train", TRAIN, 0), ("test", TEST, 1000)):
        label = labels(count)
        logits = rng.normal(size=(count, CLASSES)) + 3 * np.eye(CLASSES)[label]
        logits[:, FORGOTTEN] -= shift
        arrays[f"{split}/logits"] = logits.astype(np.float32)
        arrays[f"{split}/embedding"] = (rng.normal(size=(count, 4)) + 2 * np.eye(4)[label]).astype(np.float16)
        arrays[f"{split}/label"] = label
        arrays[f"{split}/id"] = first + np.arange(count)
    return arrays


class Study:
    """Fake run folders with everything that figures read."""

    def __init__(self, run_folders, make_metric, make_report) -> None:
        self.folders, self.metric, self.make_report = run_folders, make_metric, make_report
        self.outputs: Path = run_folders.outputs
        for seed in range(2):
            for name, number, shift in (
                (f"original{seed}", seed, 0.0),
                (f"a{seed}", 5 + seed, 6.0),
                (f"b{seed}", 8 + seed, 6.0),
            ):
                save_scores(self.outputs / "models" / name / "predictions-fp32.npz", outputs(number, shift))

    def metrics(self, value: float, seed: int) -> dict[str, Any]:
        keys = ("forget_train_acc", "forget_test_acc", "retain_test_acc", "test_acc", "mia/loss_auc")
        probes = ("probe/fewshot10_forget_acc", "probe/knn20_forget_test_acc", "probe/linear_forget_test_acc")
        own = value + 0.01 * seed
        return {key: self.metric(own, 0.5, floor=0.1, original=0.9) for key in (*keys, *probes)}

    def add(
        self, method: str, seed: int, value: float, *, shift: float = 3.0, scenario: str = "class", **changes: Any
    ) -> Path:
        changes = {
            "models": {"original": f"original{seed}", "retrained": [f"a{seed}", f"b{seed}"]},
            "split_sizes": SIZES if scenario == "class" else {**SIZES, "retain": 40, "forget": 5, "test_forget": 0},
            "class_names": ["0", "coat", "bag"],
            "forget_classes": [FORGOTTEN],
            **changes,
        }
        metrics = changes.pop("metrics", self.metrics(value, seed))
        folder = self.folders.add(metrics, method=method, seed=seed, scenario=scenario, **changes)
        save_scores(folder / "predictions.npz", outputs(20 + seed, shift))
        if scenario != "class":
            (folder / "forget_ids.csv").write_text("id\n0\n1\n2\n3\n4\n")
        return folder

    def trajectory(self, folder: Path, rows: Mapping[int, tuple[float, float, float]]) -> None:
        keys = ("forget_train_acc", "retain_test_acc", "forget_test_acc")
        lines = [
            json.dumps({"step": step, **{f"trajectory/{key}": v for key, v in zip(keys, values, strict=True)}})
            for step, values in rows.items()
        ]
        (folder / "metrics.jsonl").write_text("\n".join([*lines, json.dumps({"step": 99, "loss": 1.0})]) + "\n")

    def _collected(self, kinds):
        report = self.make_report(["test_acc"], figures=kinds)
        collection = collect(self.outputs)
        return collection, judged(collection, report), report

    def build(self, *kinds: str, cache: Path | None = None):
        return build_figures(*self._collected(list(kinds)), cache)

    def drawing(self, kind: str):
        """A figure before it is rendered, which takes longest."""
        scene = self.scene()
        with styled():
            return DRAW[kind][scene.kind](scene)

    def figure(self, kind: str):
        figures, notes = self.build(kind)
        assert len(figures) == 1, notes
        return figures[0]

    def scene(self):
        (scene,) = figure_data(*self._collected([]), None)
        return scene


@pytest.fixture
def study(run_folders, make_metric, make_report) -> Study:
    return Study(run_folders, make_metric, make_report)


@pytest.fixture
def filled(study) -> Study:
    """Two methods and two seeds of forgetting class 2."""
    for seed in range(2):
        folder = study.add("contrastive", seed, 0.6)
        study.trajectory(folder, {4: (0.8, 0.9, 0.7), 8: (0.4, 0.85, 0.35), 12: (0.1, 0.8, 0.05)})
        study.add("finetune", seed, 0.9, shift=1.0)
    return study
