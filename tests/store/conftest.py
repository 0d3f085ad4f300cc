"""A result to write and read."""

import pytest

from cu.evaluation.comparison import Comparison
from cu.store.provenance import provenance
from cu.store.result import Models, RunResult, Seeds


@pytest.fixture
def run_result():
    """`(**fields) -> RunResult` with one metric."""
    metric = Comparison(
        value=0.5,
        ref=0.4,
        ref_std=None,
        gap=0.1,
        floor=None,
        z=None,
        rank_p=None,
        original=0.9,
        direction="match_retrained",
        status="ok",
        version=1,
        margin=0.01,
        note="",
    )

    def make(**fields):
        content = {
            "fingerprint": "0" * 16,
            "evaluation_id": "1" * 16,
            "names": {"dataset": "digits", "model": "m", "recipe": "r", "scenario": "class", "method": "finetune"},
            "scenario": "class",
            "forget_classes": (5,),
            "class_names": tuple("0123456789"),
            "seeds": Seeds(seed=0, forget_seed=1, method_seed=2),
            "references": 1,
            "models": Models(original="a", retrained=("b",)),
            "split_sizes": {"retain": 90, "forget": 10},
            "timings": {"unlearn_seconds": 1.5},
            "cost": {"unlearn_seconds": 1.5},
            "evaluation": "small",
            "metrics": {"forget_train_acc": metric},
            "provenance": provenance({"device": "cpu"}),
        }
        return RunResult(**{**content, **fields})

    return make
