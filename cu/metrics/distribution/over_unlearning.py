"""Over-unlearning: what unlearning has changed around the forget set besides the forgotten class."""

from __future__ import annotations

from dataclasses import dataclass

from cu.metrics.accuracy.class_leakage import retained_logits
from cu.metrics.case import Case
from cu.metrics.predictions import Floats
from cu.metrics.primitives import jensen_shannon, mean, softmax
from cu.metrics.spec import metric

EPSILON = 0.03


@dataclass(frozen=True, eq=False)
class OverUnlearning:
    """Outputs on forget samples that were pushed a little way towards the class next to them.

    Attributes:
        judged: Logits [n, C] of the judged model.
        original: Logits [n, C] of the original model on the same images.
    """

    judged: Floats
    original: Floats


@metric(keys=(f"over/ou@{EPSILON}",), direction="lower", needs=(OverUnlearning,), scenarios=("class",))
def over_unlearning(case: Case, /) -> dict[str, float]:
    """OU@0.03: divergence from the original around the forget set, where forgetting should have changed nothing else.

    Mean Jensen-Shannon divergence (bits, in [0, 1]) between the original's probabilities without the forgotten
    classes, renormalised, and the judged model's, on forget samples moved by at most 0.03 per pixel towards the class
    next to them (Ha, Park & Yoon 2026). Retrained models do not reach 0: read it beside their value.
    """
    found, kept = case.findings[OverUnlearning], [c for c in range(case.num_classes) if c not in case.forget_classes]
    judged = softmax(found.judged)
    target = judged * 0
    target[:, kept] = softmax(retained_logits(found.original, case.forget_classes))
    return {f"over/ou@{EPSILON}": mean(jensen_shannon(judged, target))}
