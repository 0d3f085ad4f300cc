"""Set an outcome beside the retrained models and the original, by every metric of the suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cu.config.build import build
from cu.config.evaluation import EvaluationConfig
from cu.config.schema import RunConfig
from cu.data.types import UnlearningTask
from cu.disk.files import read_sealed, write_sealed
from cu.engine.clock import Clock
from cu.engine.pace import retimed
from cu.evaluation.cases import by_split
from cu.evaluation.compare import compare
from cu.evaluation.comparison import Comparison
from cu.evaluation.facing import in_place, judge, judge_pairs, judge_reference
from cu.evaluation.suite import spec_of
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.run_audits import run_audits, with_findings
from cu.experiment.audits.types import AuditFindings
from cu.experiment.workspace import Workspace
from cu.metrics.case import Case
from cu.metrics.cost import COSTS
from cu.metrics.drawn import packed, unpacked
from cu.metrics.spec import named
from cu.seeds import derive_seed
from cu.store.cached import cached
from cu.store.fingerprint import fingerprint
from cu.store.models import StoredModel

UNKNOWN: dict[str, float] = dict.fromkeys(
    (*COSTS, "flops"), float("nan")
)  # what the training of the user's own reference took
FORM = 3  # of what is kept beside a stored model


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
        case = case_of(workspace, task, arrays, cost, original, references)
        assert case.original is not None
        judged = judge(metrics, with_findings(case, found, "judged"))
        untouched = with_findings(in_place(case, case.original, None), found, "original")
        priced, lasting = divided_by_cost(metrics)
        asked = [case.scenario, case.forget_classes, case.confused_classes, fingerprint(task.forget.ids.tolist())]
        identity = [
            FORM,
            suite_identity(workspace, lasting, found),
            asked,
            case.seed,
            [r.folder.name for r in references],
        ]
        before = {**kept_with(original, lambda: judge(lasting, untouched), identity), **judge(priced, untouched)}
        refs, pairs = [], {}
        for i, stored in enumerate(references):
            own = with_findings(in_place(case, case.retrained[i], case.retrained_cost[i]), found, i)
            known = kept_with(stored, partial(judge_retrained, lasting, own, i), identity)
            refs.append({**known["values"], **judge_retrained(priced, own, i)["values"]})
            pairs |= {(i, j): known["pairs"][str(j)] for j in range(len(references)) if j != i}
    return compare(metrics, judged, refs, before, pairs), {"evaluation_seconds": clock.seconds, **audit_seconds}


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
        retrained_cost=tuple(
            retimed(r.record["cost"] or UNKNOWN, cost.get("retrain_seconds_per_sample")) for r in references
        ),
    )


def suite_identity(
    workspace: Workspace[RunConfig], metrics: Mapping[str, Any], found: Mapping[type, AuditFindings]
) -> list[Any]:
    """What the values of a suite depend on besides the models and the task."""
    suite = workspace.config.evaluation
    versions = {name: spec_of(function).version for name, function in metrics.items()}
    return [
        suite.chosen(),
        versions,
        suite.chosen_audits(),
        sorted(map(named, found)),
        workspace.hardware.scoring_precision,
    ]


def audited(
    context: AuditContext, suite: EvaluationConfig, metrics: Mapping[str, Any]
) -> tuple[dict[type, AuditFindings], dict[str, float]]:
    """What the suite's audits find, and how long they took; nothing of either if it has none."""
    audits = {name: build(component) for name, component in suite.chosen_audits().items()}
    clock = Clock(context.workspace.hardware)
    if not audits:
        return {}, {}
    with clock.running():
        found = run_audits(audits, metrics, context)
    return found, {"audit_seconds": clock.seconds}


def judge_retrained(metrics: Mapping[str, Any], case: Case, number: int) -> dict[str, Any]:
    """Values of a retrained model, which stands in the case as the judged one: against the others, and one by one."""
    pairs = {str(other): values for other, values in judge_pairs(metrics, case, number).items()}
    return {"values": judge_reference(metrics, case, number), "pairs": pairs}


def divided_by_cost(metrics: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics that read a cost, which is that of this machine and this hour, and those that read models alone."""
    priced = {name: function for name, function in metrics.items() if "cost" in spec_of(function).needs}
    return priced, {name: function for name, function in metrics.items() if name not in priced}


def kept_with(stored: StoredModel, compute: Callable[[], Mapping[str, Any]], identity: Any) -> Mapping[str, Any]:
    """Metric values of a stored model, computed once per suite and task and kept beside its weights."""
    path = stored.folder / "judged" / f"{fingerprint(identity)}.json"

    def load() -> Mapping[str, Any] | None:
        return unpacked(read_sealed(path))

    return cached(load, lambda: dict(compute()), lambda values: write_sealed(path, packed(values)))
