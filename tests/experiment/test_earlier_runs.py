from types import SimpleNamespace

import numpy as np
import pytest

from cu.experiment.earlier_runs import cost_of, faced, limits
from cu.seeds import member_seed

NOW = {"peak_mem_mb": 9.0, "flops": 1e6, "retrain_seconds_per_sample": 0.1}
OWN = [member_seed(3, "reference", k) for k in range(2)]


def result_of(cost=NOW):
    return SimpleNamespace(seeds=SimpleNamespace(seed=3), models=SimpleNamespace(retrained=("a", "b")), cost=cost)


def trained(*seeds):
    return [SimpleNamespace(record={"identity": {"seed": seed}}) for seed in seeds]


def test_a_run_of_this_version_lacks_nothing():
    assert limits(result_of(), trained(*OWN)) == []  # type: ignore[arg-type]
    assert cost_of(result_of()) == NOW  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("result", "seeds", "said"),
    [
        (result_of(), (3, 4), "also belong to other seeds"),
        (result_of(), OWN[:1], "one of its own references"),
        (result_of({"peak_mem_mb": 700.0, "retrain_seconds_per_sample": 0.1}), OWN, "no FLOPs"),
        (result_of({"peak_mem_mb": 700.0, "flops": 1.0}), OWN, "no speed-up"),
    ],
)
def test_each_thing_that_is_missing_is_said(result, seeds, said):
    (line,) = limits(result, trained(*seeds))  # type: ignore[arg-type]
    assert said in line


def test_memory_of_a_whole_process_is_unknown_memory():
    old = result_of({"peak_mem_mb": 700.0, "steps": 3})
    assert np.isnan(cost_of(old)["peak_mem_mb"])  # type: ignore[arg-type]


def test_an_outcome_is_not_set_against_itself():
    scores = {"a": np.eye(3), "b": np.eye(3) * 2}
    workspace = SimpleNamespace(scores=lambda name: {"train/logits": scores[name]})
    assert faced(workspace, {"train/logits": np.eye(3)}, ["a", "b"]) == ["b"]  # type: ignore[arg-type]
