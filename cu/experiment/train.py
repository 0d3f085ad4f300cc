"""Train the original model that unlearning starts from."""

from __future__ import annotations

from threadpoolctl import threadpool_limits

from cu.disk.json_lines import read_rows
from cu.engine import team
from cu.experiment.workspace import replay, set_up
from cu.store.plan import TrainPlan
from cu.store.provenance import provenance
from cu.store.result import TrainResult
from cu.tracking.types import Tracker


def train(plan: TrainPlan, tracker: Tracker) -> TrainResult | None:
    """Train the original model (or find it trained) and return the record of it."""
    workspace = set_up(plan.config, plan.original)
    with threadpool_limits(workspace.hardware.num_threads):
        folder = workspace.store.folder(plan.original)
        if (folder / "model.json").exists():
            replay(read_rows(folder / "metrics.jsonl"), tracker.log)
        stored = workspace.original(tracker.log)
        if not team.leads():
            return None
        arrays = workspace.scores(stored)
    accuracies = {
        f"{name}_acc": float((arrays[f"{name}/logits"].argmax(1) == arrays[f"{name}/label"]).mean())
        for name in ("train", "val", "test")
        if len(arrays[f"{name}/label"])
    }
    return TrainResult(
        fingerprint=plan.fingerprint,
        names=dict(plan.names),
        model=str(stored.folder / "model.safetensors"),
        accuracies=accuracies,
        cost=stored.record.get("cost"),
        provenance=provenance(workspace.hardware.describe()),
    )
