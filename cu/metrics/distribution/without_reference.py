"""What can be told of forgetting where no model was retrained."""

from __future__ import annotations

import numpy as np

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.distribution.divergence import agreement, compared
from cu.metrics.spec import RATE, metric


@metric(keys=("agree/retain_test_original",), needs=("original",), margin=RATE)
def agreement_with_original(case: Case, /) -> dict[str, float]:
    """Share of retained test samples that the model and the original put into the same class, in [0, 1]."""
    assert case.original is not None
    own, before = compared(case.model, case.original, "retain_test")
    return {"agree/retain_test_original": agreement(own.logits, before.logits)}


@metric(keys=("leak/true_second", "leak/wrong_second"), margin=RATE)
def second_choice(case: Case, /) -> dict[str, float]:
    """How often the second choice for a forgotten sample is its true class, and how often the best wrong class.

    A model that hides a class keeps it as its second choice: `true_second`, in [0, 1], is then far above
    `wrong_second`, the largest share that any class reaches as a second choice where it is not the true one. Unseen
    samples of the forgotten classes in class scenarios, the forgotten samples themselves in sample scenarios.
    """
    part = case.model.test_forget if case.scenario == "class" else case.model.forget
    if not len(part):
        return {"leak/true_second": float("nan"), "leak/wrong_second": float("nan")}
    second = np.argsort(part.logits, axis=1, kind="stable")[:, -2]
    true = second == part.label
    counts = np.bincount(second[~true], minlength=part.logits.shape[1])
    return {"leak/true_second": primitives.mean(true), "leak/wrong_second": float(counts.max() / len(part))}
