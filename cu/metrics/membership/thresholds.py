"""Membership inference with one threshold for each class (Song & Mittal)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cu.metrics import primitives
from cu.metrics.accuracy.accuracy import accuracy
from cu.metrics.case import Case, Integers, Predictions
from cu.metrics.membership.loss_attacks import member_scores
from cu.metrics.primitives import Values
from cu.metrics.spec import metric

FEATURES = ("confidence", "entropy", "mentropy")


def best_threshold(members: ArrayLike, non_members: ArrayLike) -> float:
    """The observed score t for which `score >= t` has the largest balanced accuracy; both sides non-empty."""
    a, b = np.asarray(members, dtype=np.float64), np.asarray(non_members, dtype=np.float64)
    candidates = np.unique(np.concatenate([a, b]))
    # Counting in sorted arrays is O(n log n); comparing every threshold with every sample would be O(n^2).
    hit = 1 - np.searchsorted(np.sort(a), candidates, side="left") / a.size
    false_alarm = 1 - np.searchsorted(np.sort(b), candidates, side="left") / b.size
    return float(candidates[(hit - false_alarm).argmax()])


def class_thresholds(
    members: Values, member_label: Integers, non_members: Values, non_member_label: Integers, num_classes: int
) -> Values:
    """`best_threshold` of each class [C]; the pooled one where a class lacks members or non-members."""
    thresholds = np.full(num_classes, best_threshold(members, non_members))
    for c in range(num_classes):
        a, b = members[member_label == c], non_members[non_member_label == c]
        if len(a) and len(b):
            thresholds[c] = best_threshold(a, b)
    return thresholds


def attack_sides(case: Case) -> tuple[Predictions, Predictions]:
    """Unseen samples the attack learns from, and class-matched unseen samples it is judged on; disjoint."""
    judged = case.matched_non_members()
    if case.scenario == "class":
        return case.model.test_retain, judged
    test = case.model.test_retain
    if 2 * len(judged) > len(test):
        rows = primitives.subsample(np.arange(len(judged)), len(test) // 2, case.generator("mia/thr"))
        judged = judged.take(rows)
    return test.take(~np.isin(test.id, judged.id)), judged


@metric(keys=("mia/thr_correctness_acc", *(f"mia/thr_{name}_acc" for name in FEATURES), "mia/correctness_gap"))
def threshold_attacks(case: Case, /) -> dict[str, float]:
    """Balanced accuracy of threshold attacks, forgotten against class-matched unseen samples, in [0, 1].

    Thresholds are chosen for each class on retained against unseen samples, and pooled for classes that retain none.
    `correctness_gap` is accuracy on forgotten minus accuracy on unseen samples, in [-1, 1]; its attack calls whatever
    is classified correctly a member. Source: Song & Mittal 2021, "Systematic Evaluation of Privacy Risks of Machine
    Learning Models".
    """
    forget, kept = case.model.forget, case.model.retain
    known, unseen = attack_sides(case)
    gap = accuracy(forget.logits, forget.label) - accuracy(unseen.logits, unseen.label)
    values = {"mia/thr_correctness_acc": (1 + gap) / 2}
    scores = [_oriented(part) for part in (kept, known, forget, unseen)]
    for name in FEATURES:
        members, non_members, judged, control = (score[name] for score in scores)
        rate = float("nan")
        if min(len(part) for part in (members, non_members, judged, control)):
            t = class_thresholds(members, kept.label, non_members, known.label, case.num_classes)
            rate = float(np.mean(judged >= t[forget.label]) + np.mean(control < t[unseen.label])) / 2
        values[f"mia/thr_{name}_acc"] = rate
    return {**values, "mia/correctness_gap": gap}


def _oriented(part: Predictions) -> dict[str, Values]:
    """Scores by feature; confidence is ranked by the negated loss, which does not saturate at 1."""
    scores = member_scores(part)
    return {"confidence": scores["loss"], "entropy": scores["entropy"], "mentropy": scores["mentropy"]}
