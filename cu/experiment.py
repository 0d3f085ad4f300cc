"""The story in order: train, forget, compare with retraining, record."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from threadpoolctl import threadpool_limits

from cu.assembly import build
from cu.audits.memorisation import informed
from cu.audits.scene import Scene
from cu.bench import Bench, provenance, replay, set_up
from cu.data.scenarios import make_task
from cu.data.types import UnlearningTask
from cu.engine.ledger import Ledger
from cu.evaluation import score
from cu.judging import judge
from cu.methods.types import Method
from cu.models.types import Classifier
from cu.plan import Plan
from cu.randomness import generator
from cu.store.files import Damaged, JsonLines, read_json, read_rows, write_json
from cu.store.forget_ids import write_forget_ids
from cu.store.models import StoredModel, save_weights
from cu.store.scores import load_scores, save_scores
from cu.tracking.types import Tracker

log = logging.getLogger(__name__)


def train(plan: Plan, tracker: Tracker) -> dict[str, Any]:
    """Train the original model (or find it trained) and return the record of it."""
    bench = set_up(plan)
    with threadpool_limits(bench.hardware.num_threads):
        folder = bench.store.folder(plan.original)
        if (folder / "model.json").exists():
            replay(read_rows(folder / "metrics.jsonl"), tracker.log)
        stored = bench.original(tracker.log)
        arrays = bench.scores(stored)
    accuracies = {
        f"{name}_acc": float((arrays[f"{name}/logits"].argmax(1) == arrays[f"{name}/label"]).mean())
        for name in ("train", "val", "test")
        if len(arrays[f"{name}/label"])
    }
    return {
        "schema": 1,
        "fingerprint": plan.fingerprint,
        "names": dict(plan.names),
        "model": str(stored.folder / "model.safetensors"),
        "accuracies": accuracies,
        "cost": stored.record.get("cost"),
        **provenance(bench.hardware),
    }


def unlearn(plan: Plan, tracker: Tracker) -> dict[str, Any]:
    """Do one unlearning run, from data to result; the caller keeps status and writes the result."""
    bench = set_up(plan)
    config = plan.config
    method: Method = build(config["method"])
    scenario = build(config["scenario"])
    with threadpool_limits(bench.hardware.num_threads):
        task = make_task(bench.data, informed(scenario, bench), generator(config["forget_seed"], "forget"))
        write_forget_ids(plan.folder.path, task.forget.ids.tolist())
        original = bench.original()
        references = [bench.retrained(task.retain, bench.seed + k) for k in range(config["reference"]["k"])]
        arrays, cost, unlearned = forget(bench, method, task, original, tracker)
        scene = Scene(bench, task, method, original, tuple(references), unlearned)
        metrics, evaluation_seconds = judge(bench, task, arrays, cost, original, references, scene)
    return {
        "schema": 1,
        "fingerprint": plan.fingerprint,
        "judged_by": plan.judged_by,
        "names": dict(plan.names),
        "scenario": task.scenario,
        "forget_classes": list(task.forget_classes),
        "class_names": list(bench.data.class_names),
        "seeds": {name: config[name] for name in ("seed", "forget_seed", "method_seed")},
        "references": len(references),
        "models": {"original": original.folder.name, "retrained": [r.folder.name for r in references]},
        "split_sizes": {n: len(getattr(task, n)) for n in ("retain", "forget", "val", "test", "test_forget")},
        "timings": {**{k: v for k, v in cost.items() if k.endswith("seconds")}, **evaluation_seconds},
        "cost": cost,
        "evaluation": config["evaluation"]["name"],
        "metrics": metrics,
        **provenance(bench.hardware),
    }


def forget(
    bench: Bench, method: Method, task: UnlearningTask, original: StoredModel, tracker: Tracker
) -> tuple[dict[str, Any], dict[str, float], Classifier | None]:
    """Let the method forget; returns the outputs of the new model on all data, what it cost, and the model.

    A run that finished before and is only evaluated anew takes both from its folder, and has no model at hand.
    """
    folder, evaluation = bench.plan.folder.path, bench.plan.config["evaluation"]
    if (earlier := earlier_outcome(bench.plan)) is not None:
        log.info("what %s made is known, evaluating it again", bench.plan.names["method"])
        replay(read_rows(folder / "metrics.jsonl"), tracker.log)
        return *earlier, None
    rows = JsonLines(folder / "metrics.jsonl", keep=False)

    def record(values: Mapping[str, float], step: int) -> None:
        rows.append(values, step)
        tracker.log(values, step)

    run = bench.run(
        bench.plan.config["method_seed"], record, task=task, trajectory_every=evaluation["trajectory_every"]
    )
    model = bench.load(original)
    log.info("%s forgets %d of %d samples", bench.plan.names["method"], len(task.forget), len(bench.data.train))
    with run.ledger.running():
        unlearned = method.unlearn(model, task, run)
    cost, scoring = run.ledger.cost(), Ledger(bench.hardware)
    with scoring.running():
        arrays = score(unlearned, bench.data, bench.hardware)
    cost["scoring_seconds"] = scoring.seconds["unlearn"]
    if bench.plan.config["save_model"]:
        save_weights(folder / "model.safetensors", unlearned)
    if evaluation["save_predictions"]:
        save_scores(folder / "predictions.npz", arrays)
        write_json(folder / "cost.json", cost)
    return arrays, cost, unlearned


def earlier_outcome(plan: Plan) -> tuple[dict[str, Any], dict[str, float]] | None:
    """Outputs and cost kept by an earlier, whole run of the same fingerprint; None if anything asked for is missing."""
    folder = plan.folder.path
    if plan.product is not None and not plan.product.exists():
        return None
    if not has_trajectory(read_rows(folder / "metrics.jsonl"), plan.config["evaluation"]["trajectory_every"]):
        return None
    try:
        arrays, cost = load_scores(folder / "predictions.npz"), read_json(folder / "cost.json")
    except Damaged as error:
        log.warning("%s: the run is done again", error)
        return None
    return None if arrays is None or cost is None else (arrays, cost)


def has_trajectory(rows: list[dict[str, Any]], every: int) -> bool:
    """Whether the rows hold a look at the model every so many steps, if that is asked for."""
    looks = [row["step"] for row in rows if any(name.startswith("trajectory/") for name in row)]
    return not every or looks[:1] == [every]
