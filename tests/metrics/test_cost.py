from dataclasses import replace

import numpy as np
import pytest

from cu.metrics import cost


def test_costs_are_reported_as_measured(make_case):
    case = make_case()
    assert cost.unlearning_cost(case) == {f"eff/{name}": value for name, value in case.cost.items()}


def test_speedup_counts_preparation_and_averages_retraining(make_case):
    case = make_case(retrained=2)
    costs = tuple({**case.cost, "unlearn_seconds": s, "prep_seconds": 99.0} for s in (30.0, 50.0))
    assert cost.speedup(replace(case, retrained_cost=costs))["eff/speedup_vs_retrain"] == 40 / (3 + 1)


def test_speedup_is_nan_when_unknown(make_case):
    case = make_case()
    free = {**case.cost, "unlearn_seconds": 0.0, "prep_seconds": 0.0}
    idle = {**case.cost, "prep_seconds": 0.0, "samples_seen_forget": 0.0, "samples_seen_retain": 0.0}
    for other in (replace(case, retrained_cost=()), replace(case, cost=free), replace(case, cost=idle)):
        assert np.isnan(cost.speedup(other)["eff/speedup_vs_retrain"])


def test_a_missing_cost_is_an_error_and_not_0(make_case):
    case = make_case()
    partial = {name: value for name, value in case.cost.items() if name != "steps"}
    with pytest.raises(KeyError, match="steps"):
        cost.unlearning_cost(replace(case, cost=partial))


def test_the_total_counts_preparation(make_case):
    case = make_case()
    spent = {**case.cost, "unlearn_seconds": 30.0, "prep_seconds": 0.5}
    assert cost.total_seconds(replace(case, cost=spent)) == {"eff/total_seconds": 30.5}
