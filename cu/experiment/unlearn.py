"""One unlearning run, in order: data, original and retrained models, forgetting, comparison, record."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from threadpoolctl import threadpool_limits

from cu.config.build import build
from cu.config.schema import RunConfig
from cu.data.types import ImageData, UnlearningTask
from cu.disk.files import Damaged, read_mapping, write_json
from cu.disk.json_lines import JsonLines, NoRows, read_rows
from cu.engine import team
from cu.engine.clock import Clock
from cu.engine.interruption import Descents
from cu.engine.outputs import has_embeddings, logits_of, require_finite_logits, score
from cu.engine.sharding import told_if_whole
from cu.engine.surroundings import surroundings_kept
from cu.experiment.adoption import hand_back_weights
from cu.experiment.audits.context import AuditContext
from cu.experiment.compare import compare_with_references
from cu.experiment.memorisation import resolve_scenario
from cu.experiment.references import references
from cu.experiment.request import held_out_of_checkpoint, keep_request, requested
from cu.experiment.sanity import look_twice
from cu.experiment.workspace import Workspace, replay, set_up
from cu.methods.types import Method
from cu.models.types import Classifier
from cu.store.checkpoint import DescentStates
from cu.store.intact import known_hashes, require_intact
from cu.store.models import StoredModel, write_model
from cu.store.outputs import load_scores, save_scores
from cu.store.plan import RunPlan
from cu.store.provenance import provenance
from cu.store.removed import removal_of
from cu.store.result import Models, RunResult, Seeds
from cu.tracking.types import Tracker

log = logging.getLogger(__name__)
NUMBER = (int, float, type(None))  # as JSON has them: NaN is null


def unlearn(plan: RunPlan, tracker: Tracker) -> RunResult | None:
    """Do one unlearning run, from data to result; the caller keeps status and writes the result.

    Of the processes of a job, all train and forget together; the first one writes, judges and has the result.
    """
    config = plan.config
    workspace = set_up(config, plan.original)
    method: Method = build(config.method)
    with threadpool_limits(workspace.hardware.num_threads):
        scenario = resolve_scenario(build(config.scenario), workspace)
        task = requested(workspace, scenario, method)
        if team.leads():
            keep_request(plan.folder.path, task, workspace.data, removal_of(config))
        original = workspace.original()
        if (doubt := held_out_of_checkpoint(config, workspace.data)) is not None:
            log.warning("warning: %s", doubt)
        stored = references(workspace, task.retain)
        doubted = look_twice(workspace, plan, task, original, stored) if team.leads() else []
        outcome = forget(workspace, plan, method, task, original, tracker)
        if outcome is None:
            return None
        arrays, cost, unlearned = outcome
        if config.checkpoint and config.keeps_model:
            hand_back_weights(config, workspace.context(workspace.seed), plan.folder.path)
        context = AuditContext(workspace, plan, task, method, original, tuple(stored), unlearned)
        with team.alone():
            metrics, seconds = compare_with_references(workspace, task, arrays, cost, original, stored, context)
    return RunResult(
        fingerprint=plan.fingerprint,
        evaluation_id=plan.evaluation_id,
        names=dict(plan.names),
        scenario=task.scenario,
        forget_classes=tuple(task.forget_classes),
        class_names=tuple(workspace.data.class_names),
        seeds=Seeds(seed=config.seed, forget_seed=config.forget_seed, method_seed=config.method_seed),
        references=len(stored),
        models=Models(original=original.folder.name, retrained=tuple(r.folder.name for r in stored)),
        split_sizes=sizes(task, workspace.data),
        timings={**{k: v for k, v in cost.items() if k.endswith("seconds")}, **seconds},
        cost=cost,
        evaluation=config.evaluation.name,
        metrics=metrics,
        doubts=tuple(doubted),
        provenance=provenance(workspace.hardware.describe()),
    )


def sizes(task: UnlearningTask, data: ImageData) -> dict[str, int]:
    """Samples by split; `removed` only where earlier requests removed some."""
    found = {n: len(getattr(task, n)) for n in ("retain", "forget", "val", "test", "test_forget")}
    return found | ({"removed": len(data.removed)} if data.removed is not None else {})


def forget(
    workspace: Workspace[RunConfig],
    plan: RunPlan,
    method: Method,
    task: UnlearningTask,
    original: StoredModel,
    tracker: Tracker,
) -> tuple[dict[str, Any], dict[str, float], Classifier | None] | None:
    """Let the method forget; the first process of the job returns the new model's outputs, its cost, and the model.

    A run that finished before and is only evaluated anew takes both from its folder, and has no model at hand.
    """
    folder, evaluation = plan.folder.path, plan.config.evaluation
    earlier = earlier_outcome(plan) if team.leads() else None
    if team.shared(lambda: earlier is not None) and not team.leads():
        return None
    if earlier is not None:
        log.info("what %s made is known, evaluating it again", plan.names["method"])
        replay(read_rows(folder / "metrics.jsonl"), tracker.log)
        return *earlier, None
    if team.leads():  # without it an earlier outcome does not count, which must not be set beside the rows to come
        (folder / "cost.json").unlink(missing_ok=True)
    states, kept = DescentStates(folder), folder / "metrics.jsonl"
    rows = JsonLines(kept, keep=states.are_there()) if team.leads() else NoRows(kept)
    replay(read_rows(rows.path), tracker.log)

    def record(values: Mapping[str, float], step: int) -> None:
        rows.append(values, step)
        tracker.log(values, step)

    context = workspace.context(
        plan.config.method_seed,
        record,
        task=task,
        trajectory_every=evaluation.trajectory_every,
        descents=Descents(states.at, plan.config.save_every),
    )
    model = workspace.load(original)
    workspace.warm_up(model, (task.forget, task.retain), getattr(method, "recipe", workspace.recipe))
    pace = workspace.pace if plan.config.reference.count else None
    log.info("%s forgets %d of %d samples", plan.names["method"], len(task.forget), len(workspace.data.train))
    with surroundings_kept(), told_if_whole(plan.names["method"]), context.ledger.running():
        unlearned = method.unlearn(model, task, context)
    if not team.leads():
        return None
    cost, scoring = workspace.cost_of(context.ledger), Clock(workspace.hardware)
    with scoring.running():
        arrays = score(unlearned, workspace.data, workspace.hardware)
    require_finite_logits(arrays)
    cost |= {"scoring_seconds": scoring.seconds} | ({"retrain_seconds_per_sample": pace} if pace else {})
    keep_outcome(plan, unlearned, arrays, cost)
    return arrays, cost, unlearned


def keep_outcome(plan: RunPlan, unlearned: Classifier, arrays: Mapping[str, Any], cost: Mapping[str, float]) -> None:
    """Write what a method made; the states from which it could go on are of no use then."""
    folder, evaluation = plan.folder.path, plan.config.evaluation
    if plan.config.keeps_model:
        write_model(folder, unlearned, {"fingerprint": plan.fingerprint, "identity": plan.identity})
    if evaluation.keep != "summary":
        save_scores(folder / "predictions.npz", arrays if evaluation.keep == "all" else logits_of(arrays))
        write_json(folder / "cost.json", cost)
    plan.folder.remove_states()


def earlier_outcome(plan: RunPlan) -> tuple[dict[str, Any], dict[str, float]] | None:
    """Outputs and cost kept by an earlier, whole run of the same fingerprint; None if anything asked for is missing."""
    folder = plan.folder.path
    try:
        require_intact(folder, known_hashes(folder), "metrics.jsonl")
        if not plan.weights_are_there():
            return None
    except Damaged as error:
        log.warning("%s: the run is done again", error)
        return None
    if not has_trajectory(read_rows(folder / "metrics.jsonl"), plan.config.evaluation.trajectory_every):
        return None
    try:
        arrays, cost = load_scores(folder / "predictions.npz"), read_mapping(folder / "cost.json")
    except Damaged as error:
        log.warning("%s: the run is done again", error)
        return None
    if arrays is None or cost is None:
        return None
    if not has_embeddings(arrays):
        log.warning("%s was kept without embeddings: the run is done again", folder / "predictions.npz")
        return None
    if not {"unlearn_seconds", "steps"} <= cost.keys() or not all(isinstance(value, NUMBER) for value in cost.values()):
        log.warning("%s is damaged: the run is done again", folder / "cost.json")
        return None
    return arrays, cost


def has_trajectory(rows: list[dict[str, Any]], every: int) -> bool:
    """Whether the rows hold a look at the model every so many steps, if that is asked for."""
    looks = [row["step"] for row in rows if any(name.startswith("trajectory/") for name in row)]
    return not every or looks[:1] == [every]
