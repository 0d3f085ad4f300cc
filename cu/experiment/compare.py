"""Set an outcome beside the retrained models and the original, by every metric of the suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from cu.config.build import build
from cu.config.schema import EvaluationConfig, RunConfig
from cu.data.types import UnlearningTask
from cu.disk.files import read_json, write_json
from cu.engine.clock import Clock
from cu.evaluation.cases import by_split, left_out
from cu.evaluation.comparison import Comparison
from cu.evaluation.suite import compare, measure, spec_of
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.run_audits import run_audits, with_findings
from cu.experiment.audits.types import Findings
from cu.experiment.workspace import Workspace
from cu.metrics.case import Case
from cu.seeds import derive_seed
from cu.store.cached import cached
from cu.store.identity import fingerprint
from cu.store.models import StoredModel


def compare_with_references(
    workspace: Workspace[RunConfig],
    task: UnlearningTask,
    arrays: Mapping[str, Any],
    cost: Mapping[str, float],
    original: StoredModel,
    references: list[StoredModel],
    context: AuditContext | None = None,
) -> tuple[dict[str, Comparison], dict[str, float]]:
    """Every metric of the suite for the outcome, the retrained models and the original, compared; and what that took.

    Without a context no audit is conducted, and metrics that read one are skipped.
    """
    clock, suite = Clock(workspace.hardware), workspace.config.evaluation
    metrics = {name: build(component) for name, component in suite.chosen().items()}
    found, audit_seconds = audited(context, suite, metrics) if context else ({}, {})
    with clock.running():
        costs = [r.record["cost"] for r in references]
        case = case_of(workspace, task, arrays, cost, original, references)
        judged = measure(metrics, with_findings(case, found, "judged"))
        asked = [case.scenario, case.forget_classes, case.confused_classes, fingerprint(task.forget.ids.tolist())]
        identity = [
            suite_identity(workspace, metrics, found),
            asked,
            case.seed,
            [r.folder.name for r in references],
        ]
        once = partial(cached_metrics, identity=identity)
        refs = [
            once(r, lambda i=i: measure(metrics, with_findings(left_out(case, i, case.retrained[i], costs), found, i)))
            for i, r in enumerate(references)
        ]
        before = once(original, lambda: measure(metrics, with_findings(untouched(case), found, "original")))
    return compare(metrics, judged, refs, before), {"evaluation_seconds": clock.seconds, **audit_seconds}


def case_of(
    workspace: Workspace[RunConfig],
    task: UnlearningTask,
    arrays: Mapping[str, Any],
    cost: Mapping[str, float],
    original: StoredModel,
    references: list[StoredModel],
) -> Case:
    """The outcome as metrics see it, without what audits find."""
    return Case(
        model=by_split(arrays, task),
        retrained=tuple(by_split(workspace.scores(r), task) for r in references),
        original=by_split(workspace.scores(original), task),
        scenario=task.scenario,
        forget_classes=task.forget_classes,
        num_classes=task.num_classes,
        confused_classes=workspace.data.confused_classes,
        seed=derive_seed(workspace.config.forget_seed, "evaluation"),
        cost=cost,
        retrained_cost=tuple(r.record["cost"] for r in references),
    )


def suite_identity(
    workspace: Workspace[RunConfig], metrics: Mapping[str, Any], found: Mapping[str, Findings]
) -> list[Any]:
    """What the values of a suite depend on besides the models and the task."""
    suite = workspace.config.evaluation
    versions = {name: spec_of(function).version for name, function in metrics.items()}
    return [suite.chosen(), versions, suite.chosen_audits(), sorted(found), workspace.hardware.scoring_precision]


def audited(
    context: AuditContext, suite: EvaluationConfig, metrics: Mapping[str, Any]
) -> tuple[dict[str, Findings], dict[str, float]]:
    """What the suite's audits find, and how long they took; nothing of either if it has none."""
    audits = {name: build(component) for name, component in suite.chosen_audits().items()}
    clock = Clock(context.workspace.hardware)
    if not audits:
        return {}, {}
    with clock.running():
        found = run_audits(audits, metrics, context)
    return found, {"audit_seconds": clock.seconds}


def untouched(case: Case) -> Case:
    """The case in which the original model itself is judged; making it cost nothing."""
    assert case.original is not None
    return replace(case, model=case.original, cost=None)


def cached_metrics(stored: StoredModel, compute: Callable[[], Mapping[str, Any]], identity: Any) -> Mapping[str, Any]:
    """Metric values of a stored model, computed once per suite and task and kept beside its weights."""
    path = stored.folder / "judged" / f"{fingerprint(identity)}.json"
    return cached(partial(read_json, path), lambda: dict(compute()), partial(write_json, path))
