from dataclasses import replace

import numpy as np
import pytest

from cu.metrics import cost


def test_costs_are_reported_as_measured(make_case):
    case = make_case()
    assert cost.unlearning_cost(case) == {f"eff/{name}": case.cost[name] for name in cost.COSTS}
    assert cost.operations(case) == {"eff/flops": 6e6}


def test_speedup_counts_preparation_and_averages_retraining(make_case):
    case = make_case(retrained=2)
    costs = tuple({**case.cost, "unlearn_seconds": s, "prep_seconds": 99.0} for s in (30.0, 50.0))
    assert cost.speedup(replace(case, retrained_cost=costs))["eff/speedup_vs_retrain"] == 40 / (3 + 1)


def test_speedup_is_nan_when_unknown(make_case):
    case = make_case()
    free = {**case.cost, "unlearn_seconds": 0.0, "prep_seconds": 0.0}
    idle = {**case.cost, "prep_seconds": 0.0, "samples_seen_forget": 0.0, "samples_seen_retain": 0.0}
    elsewhere = {name: value for name, value in case.cost.items() if name != "retrain_seconds_per_sample"}
    unknown = [{"retrained_cost": ()}, *({"cost": other} for other in (free, idle, elsewhere))]
    for other in (replace(case, **change) for change in unknown):
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


def test_work_is_compared_by_samples_and_operations(make_case):
    case = make_case(retrained=2)
    costs = tuple({**case.cost, "samples_seen_retain": n, "samples_seen_forget": 0.0, "flops": 1e7} for n in (4e4, 6e4))
    found = cost.work_saved(replace(case, retrained_cost=costs))
    assert found == {"eff/samples_vs_retrain": 5e4 / 2500, "eff/flops_vs_retrain": pytest.approx(1e7 / 6e6)}


def test_work_is_nan_where_nothing_was_counted(make_case):
    case = make_case()
    idle = {**case.cost, "samples_seen_forget": 0.0, "samples_seen_retain": 0.0, "flops": 0.0}
    assert all(np.isnan(v) for v in cost.work_saved(replace(case, cost=idle)).values())
    old = {name: value for name, value in case.cost.items() if name != "flops"}
    assert np.isnan(cost.operations(replace(case, cost=old))["eff/flops"])
    assert np.isnan(cost.work_saved(replace(case, cost=old))["eff/flops_vs_retrain"])
