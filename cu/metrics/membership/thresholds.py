"""Membership inference with one threshold for each class (Song & Mittal)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike

from cu.metrics import primitives
from cu.metrics.accuracy.accuracy import accuracy
from cu.metrics.case import Case
from cu.metrics.drawn import averaged
from cu.metrics.membership.loss_attacks import member_scores
from cu.metrics.notes import saturated
from cu.metrics.predictions import Integers, Predictions
from cu.metrics.primitives import Values
from cu.metrics.spec import RATE, UNDECIDABLE, metric

FEATURES = ("confidence", "entropy", "mentropy")
Scores = Mapping[str, Values]


def best_threshold(members: ArrayLike, non_members: ArrayLike) -> float:
    """The smallest observed score t for which `score >= t` has the largest balanced accuracy; both sides non-empty."""
    a, b = np.asarray(members, dtype=np.float64), np.asarray(non_members, dtype=np.float64)
    candidates = np.unique(np.concatenate([a, b]))
    # Counting in sorted arrays is O(n log n); comparing every threshold with every sample would be O(n^2).
    missed = np.searchsorted(np.sort(a), candidates, side="left").astype(np.int64)
    rejected = np.searchsorted(np.sort(b), candidates, side="left").astype(np.int64)
    # Whole numbers: as quotients, thresholds that are equally good would differ by rounding.
    return float(candidates[(rejected * a.size - missed * b.size).argmax()])


def class_thresholds(
    members: Values, member_label: Integers, non_members: Values, non_member_label: Integers, num_classes: int
) -> Values:
    """`best_threshold` of each class [C]; the pooled one where a class lacks members or non-members."""
    thresholds = np.full(num_classes, best_threshold(members, non_members))
    sides = (by_class(members, member_label, num_classes), by_class(non_members, non_member_label, num_classes))
    for c, (a, b) in enumerate(zip(*sides, strict=True)):
        if len(a) and len(b):
            thresholds[c] = best_threshold(a, b)
    return thresholds


def by_class(values: Values, label: Integers, num_classes: int) -> list[Values]:
    """The values [n] of each class, sorted out once: to look for each class in turn would be O(n C)."""
    order = np.argsort(label, kind="stable")
    return np.split(values[order], np.searchsorted(label[order], np.arange(1, num_classes)))


def attack_sides(case: Case, draw: int) -> tuple[Predictions, Predictions]:
    """Unseen samples the attack learns from, and class-matched unseen samples it is judged on; disjoint."""
    judged = case.matched_non_members(draw=draw)
    if case.scenario == "class":
        return case.model.test_retain, judged
    test = case.model.test_retain
    if 2 * len(judged) > len(test):
        rows = primitives.subsample(np.arange(len(judged)), len(test) // 2, case.generator(f"mia/thr/judged/{draw}"))
        judged = judged.take(rows)
    return test.take(~np.isin(test.id, judged.id)), judged


@metric(
    keys=(
        "mia/thr_correctness_acc",
        *(f"mia/thr_{name}_{end}" for name in FEATURES for end in ("acc", "heldout")),
        "mia/correctness_gap",
    ),
    version=2,
    margin={"": RATE, "heldout": UNDECIDABLE},
)
def threshold_attacks(case: Case, /, *, draws: Annotated[int, Ge(2)]) -> dict[str, float]:
    """Balanced accuracy of threshold attacks, forgotten against class-matched unseen samples, in [0, 1].

    Thresholds are chosen for each class on half of the retained against half of the unseen samples, and pooled for
    classes that retain none; `_heldout` is their balanced accuracy on the other halves, without which 0.5 may mean
    that the attack tells nobody from anybody. Means of `draws` choices of all these samples.
    `correctness_gap` is accuracy on forgotten minus accuracy on unseen samples, in [-1, 1]; its attack calls whatever
    is classified correctly a member. Source: Song & Mittal 2021, "Systematic Evaluation of Privacy Risks of Machine
    Learning Models".
    """
    forget, kept = case.model.forget, case.model.retain
    found = averaged(draws, partial(_attacks, case, (_oriented(forget), _oriented(kept))))
    samples = min(len(forget), len(attack_sides(case, 0)[1]))
    return {k: v if k.endswith(("heldout", "gap")) else saturated(v, samples, low=0.0) for k, v in found.items()}


def _attacks(case: Case, trained: tuple[Scores, Scores], draw: int) -> dict[str, float]:
    """Values by key of one draw; `trained` are the scores of forgotten and of retained samples, the same in all."""
    forget, kept = case.model.forget, case.model.retain
    known, unseen = attack_sides(case, draw)
    gap = accuracy(forget.logits, forget.label) - accuracy(unseen.logits, unseen.label)
    values = {"mia/thr_correctness_acc": (1 + gap) / 2}
    parts = (kept, known, forget, unseen)
    whole = known is case.model.test_retain  # the same in all draws, as it is in class scenarios
    seen = case.model.once("oriented/test_retain", lambda: _oriented(known)) if whole else _oriented(known)
    scores = (trained[1], seen, trained[0], _oriented(unseen))
    rng = case.generator(f"mia/thr/halves/{draw}")
    halved = [np.array_split(rng.permutation(len(part)), 2) for part in (kept, known)]
    for name in FEATURES:
        members, non_members, judged, control = (_Scored(s[name], p.label) for s, p in zip(scores, parts, strict=True))
        t, (own, other) = None, halved
        if min(map(len, (*own, *other))):
            learnt = members.at(own[0]), non_members.at(other[0])
            t = class_thresholds(*learnt[0], *learnt[1], case.num_classes)
        values[f"mia/thr_{name}_acc"] = _balanced_accuracy(judged, control, t)
        values[f"mia/thr_{name}_heldout"] = _balanced_accuracy(members.at(own[1]), non_members.at(other[1]), t)
    return {**values, "mia/correctness_gap": gap}


class _Scored(NamedTuple):
    score: Values
    label: Integers

    def at(self, rows: Integers) -> _Scored:
        return _Scored(self.score[rows], self.label[rows])


def _balanced_accuracy(members: _Scored, others: _Scored, thresholds: Values | None) -> float:
    if thresholds is None or not min(len(members.score), len(others.score)):
        return float("nan")
    hits = np.mean(members.score >= thresholds[members.label])
    return float(hits + np.mean(others.score < thresholds[others.label])) / 2


def _oriented(part: Predictions) -> dict[str, Values]:
    """Scores by feature; confidence is ranked by the negated loss, which does not saturate at 1."""
    scores = member_scores(part)
    return {"confidence": scores["loss"], "entropy": scores["entropy"], "mentropy": scores["mentropy"]}
