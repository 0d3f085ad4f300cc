"""One unlearning run, in order: data, original and retrained models, forgetting, comparison, record."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from threadpoolctl import threadpool_limits

from cu.config.build import build
from cu.data.scenarios.types import make_task
from cu.data.types import UnlearningTask
from cu.engine.ledger import Ledger
from cu.engine.outputs import score
from cu.experiment.audits.context import AuditContext
from cu.experiment.compare import compare_with_references
from cu.experiment.memorisation import resolve_scenario
from cu.experiment.workspace import Workspace, provenance, replay, set_up
from cu.methods.types import Method
from cu.models.types import Classifier
from cu.seeds import generator
from cu.store.files import Damaged, JsonLines, read_json, read_rows, write_json
from cu.store.forget_ids import write_forget_ids
from cu.store.models import StoredModel, save_weights
from cu.store.outputs import load_scores, save_scores
from cu.store.plan import Plan
from cu.tracking.types import Tracker

log = logging.getLogger(__name__)


def unlearn(plan: Plan, tracker: Tracker) -> dict[str, Any]:
    """Do one unlearning run, from data to result; the caller keeps status and writes the result."""
    workspace = set_up(plan)
    config = plan.config
    method: Method = build(config["method"])
    scenario = build(config["scenario"])
    with threadpool_limits(workspace.hardware.num_threads):
        task = make_task(
            workspace.data, resolve_scenario(scenario, workspace), generator(config["forget_seed"], "forget")
        )
        write_forget_ids(plan.folder.path, task.forget.ids.tolist())
        original = workspace.original()
        references = [workspace.retrained(task.retain, workspace.seed + k) for k in range(config["reference"]["k"])]
        arrays, cost, unlearned = forget(workspace, method, task, original, tracker)
        context = AuditContext(workspace, task, method, original, tuple(references), unlearned)
        metrics, evaluation_seconds = compare_with_references(
            workspace, task, arrays, cost, original, references, context
        )
    return {
        "schema": 1,
        "fingerprint": plan.fingerprint,
        "evaluation_id": plan.evaluation_id,
        "names": dict(plan.names),
        "scenario": task.scenario,
        "forget_classes": list(task.forget_classes),
        "class_names": list(workspace.data.class_names),
        "seeds": {name: config[name] for name in ("seed", "forget_seed", "method_seed")},
        "references": len(references),
        "models": {"original": original.folder.name, "retrained": [r.folder.name for r in references]},
        "split_sizes": {n: len(getattr(task, n)) for n in ("retain", "forget", "val", "test", "test_forget")},
        "timings": {**{k: v for k, v in cost.items() if k.endswith("seconds")}, **evaluation_seconds},
        "cost": cost,
        "evaluation": config["evaluation"]["name"],
        "metrics": metrics,
        **provenance(workspace.hardware),
    }


def forget(
    workspace: Workspace, method: Method, task: UnlearningTask, original: StoredModel, tracker: Tracker
) -> tuple[dict[str, Any], dict[str, float], Classifier | None]:
    """Let the method forget; returns the outputs of the new model on all data, what it cost, and the model.

    A run that finished before and is only evaluated anew takes both from its folder, and has no model at hand.
    """
    folder, evaluation = workspace.plan.folder.path, workspace.plan.config["evaluation"]
    if (earlier := earlier_outcome(workspace.plan)) is not None:
        log.info("what %s made is known, evaluating it again", workspace.plan.names["method"])
        replay(read_rows(folder / "metrics.jsonl"), tracker.log)
        return *earlier, None
    rows = JsonLines(folder / "metrics.jsonl", keep=False)

    def record(values: Mapping[str, float], step: int) -> None:
        rows.append(values, step)
        tracker.log(values, step)

    run = workspace.run(
        workspace.plan.config["method_seed"], record, task=task, trajectory_every=evaluation["trajectory_every"]
    )
    model = workspace.load(original)
    log.info("%s forgets %d of %d samples", workspace.plan.names["method"], len(task.forget), len(workspace.data.train))
    with run.ledger.running():
        unlearned = method.unlearn(model, task, run)
    cost, scoring = run.ledger.cost(), Ledger(workspace.hardware)
    with scoring.running():
        arrays = score(unlearned, workspace.data, workspace.hardware)
    cost["scoring_seconds"] = scoring.seconds["unlearn"]
    if workspace.plan.config["save_model"]:
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
