"""Who is judged against whom: all models face equally many retrained models, and none faces itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cu.evaluation.suite import Metrics, Values, measure, spec_of
from cu.metrics.case import Case
from cu.metrics.drawn import Drawn, noted
from cu.metrics.predictions import ModelPredictions
from cu.metrics.spec import MetricSpec

Pairs = Mapping[tuple[int, int], Values]


def compares(spec: MetricSpec) -> bool:
    """Whether a metric looks at the retrained models, so that it matters how many there are and which."""
    return any(need == "retrained" or hasattr(need, "facing") for need in spec.needs)


def facing(case: Case, others: Sequence[int]) -> Case:
    """The case with only these of its retrained models, also where audits have looked at all of them."""
    there = list(others)
    return replace(
        case,
        retrained=tuple(case.retrained[i] for i in there),
        retrained_cost=tuple(case.retrained_cost[i] for i in there) if case.retrained_cost else (),
        findings=case.findings.facing(there),
    )


def in_place(case: Case, model: ModelPredictions, cost: Mapping[str, float] | None) -> Case:
    """The case with another model in the place of the judged one; audits' findings about it are still to be put in."""
    return replace(case, model=model, cost=cost)


def judge(metrics: Metrics, case: Case) -> dict[str, float | str]:
    """Values of a model that is none of the retrained ones, each set against as many of them as they are themselves.

    A retrained model has K - 1 others to be compared with. A model that met all K would meet a steadier mean of
    retraining, so that even one made by retraining would come out nearer (at K = 2 in 0.87 of the distance, were that
    |x - mean|). It is therefore judged against each K - 1 of them in turn, and the mean of these K values is taken.
    Every one has the law of a retrained model's value if the judged model is retraining's equal; so has their mean in
    expectation. With one retrained model there is no fewer than that one.
    """
    count = len(case.retrained)
    if count < 2:
        return measure(metrics, case)
    alone, compared = divided(metrics)
    rounds = [measure(compared, facing(case, others(count, left_out))) for left_out in range(count)]
    return {**measure(alone, case), **{key: mean([found[key] for found in rounds]) for key in rounds[0]}}


def judge_reference(metrics: Metrics, case: Case, number: int) -> dict[str, float | str]:
    """Values of the retrained model `number`, which stands in the case as the judged one, against all the others."""
    return measure(metrics, facing(case, others(len(case.retrained), number)))


def judge_pairs(metrics: Metrics, case: Case, number: int) -> dict[int, dict[str, float | str]]:
    """Values of the retrained model `number` against each other one alone, by the metrics that compare."""
    _, compared = divided(metrics)
    count = len(case.retrained)
    return {other: measure(compared, facing(case, [other])) for other in others(count, number)}


def others(count: int, number: int) -> list[int]:
    """All of so many but one."""
    return [i for i in range(count) if i != number]


def divided(metrics: Metrics) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics that look at the judged model without the retrained ones, and those that compare it with them."""
    compared = {name: function for name, function in metrics.items() if compares(spec_of(function))}
    return {name: function for name, function in metrics.items() if name not in compared}, compared


def mean(values: Sequence[float | str]) -> float | str:
    """Mean of the values of one key, all from the same draws; why it was skipped, if it was."""
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) < len(values):
        return next(value for value in values if isinstance(value, str))
    spreads = [value.std for value in numbers if isinstance(value, Drawn)]
    middle = float(np.mean([float(value) for value in numbers]))
    return Drawn(middle, float(np.mean(spreads)), noted(*numbers)) if spreads else middle
