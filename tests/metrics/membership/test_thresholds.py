from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.membership import thresholds


def naive_balanced_accuracy(members, others, t):
    return (np.mean([m >= t for m in members]) + np.mean([o < t for o in others])) / 2


@pytest.mark.parametrize("seed", range(5))
def test_best_threshold_equals_an_exhaustive_search(seed):
    rng = np.random.default_rng(seed)
    members, others = rng.integers(12, size=30) + 2, rng.integers(12, size=45)
    found = naive_balanced_accuracy(members, others, thresholds.best_threshold(members, others))
    every = [naive_balanced_accuracy(members, others, t) for t in [*members, *others]]
    assert found == pytest.approx(max(every))


def test_thresholds_by_class_where_a_pooled_one_fails():
    # Class 1 is shifted by 10, so that its non-members lie above all members of class 0.
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 50)
    members, others = rng.random(100) + 2 + 10 * label, rng.random(100) + 10 * label
    by_class = thresholds.class_thresholds(members, label, others, label, 2)
    assert np.all(members >= by_class[label])
    assert np.all(others < by_class[label])
    pooled = thresholds.best_threshold(members, others)
    assert naive_balanced_accuracy(members, others, pooled) < 1


def test_thresholds_are_those_of_each_class_looked_for_in_turn():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(300), rng.standard_normal(200)
    own, other = rng.integers(0, 9, 300), rng.integers(0, 9, 200)
    found = thresholds.class_thresholds(a, own, b, other, 9)
    assert list(found) == [thresholds.best_threshold(a[own == c], b[other == c]) for c in range(9)]


def test_a_class_without_members_takes_the_pooled_threshold():
    members, others = np.array([3.0, 4.0, 5.0]), np.array([0.0, 1.0, 2.0, 0.5])
    found = thresholds.class_thresholds(members, np.array([0, 0, 1]), others, np.array([0, 0, 1, 2]), 4)
    assert found[2] == found[3] == thresholds.best_threshold(members, others) == 3.0
    assert found[1] == 5.0


def test_the_attack_never_learns_from_the_samples_it_is_judged_on(make_case):
    for sizes in ({"forget": 40}, {"forget": 400}, {"forget": 5000}):
        known, judged = thresholds.attack_sides(make_case(sizes=sizes), 1)
        assert len(known) >= 200 * bool(len(judged))
        assert len(judged) > 20
        assert not np.isin(judged.id, known.id).any()
    case = make_case("class")
    known, judged = thresholds.attack_sides(case, 0)
    assert known is case.model.test_retain
    assert judged is case.model.test_forget


def test_orientation(make_case, make_model):
    leaking = thresholds.threshold_attacks(
        make_case(model=make_model(boost={"retain": 9.0, "forget": 9.0, "test_retain": 0.0})), draws=3
    )
    assert leaking["mia/correctness_gap"] > 0.6
    assert min(leaking[f"mia/thr_{n}_acc"] for n in ("correctness", "confidence", "entropy", "mentropy")) > 0.85
    exact = thresholds.threshold_attacks(
        make_case(model=make_model(sizes={"forget": 2000, "test_retain": 8000})), draws=3
    )
    for name in ("correctness", "confidence", "entropy", "mentropy"):
        assert exact[f"mia/thr_{name}_acc"] == pytest.approx(0.5, abs=0.04)


def test_correctness_attack_needs_no_threshold(make_case):
    values = thresholds.threshold_attacks(make_case(), draws=3)
    assert values["mia/thr_correctness_acc"] == pytest.approx(0.5 + values["mia/correctness_gap"] / 2)


def test_empty_sides_are_nan(make_case, make_model, make_predictions):
    values = thresholds.threshold_attacks(make_case("class", sizes={"test_forget": 0}), draws=3)
    assert all(np.isnan(value) != key.endswith("heldout") for key, value in values.items())
    nothing = make_predictions(np.empty((0, 4)), [])
    values = thresholds.threshold_attacks(
        make_case("class", model=replace(make_model("class"), retain=nothing)), draws=3
    )
    assert np.isnan(values["mia/thr_entropy_acc"])
    assert np.isfinite(values["mia/correctness_gap"])


def test_equally_good_thresholds_are_told_apart_by_their_size_and_not_by_rounding():
    # Each t from 1 to 3 is right about one member more and one non-member less per unit, of 7 and 49: 1/7 - 7/49 = 0.
    members = np.repeat([0.0, 1, 2, 3], [2, 1, 1, 3])
    others = np.repeat([0.0, 1, 2], [35, 7, 7])
    best = [naive_balanced_accuracy(members, others, t) for t in (1, 2, 3)]
    assert max(best) - min(best) < 1e-12
    assert thresholds.best_threshold(members, others) == 1


def test_the_held_out_accuracy_is_that_of_the_attack_on_samples_it_has_not_seen(make_case, make_model):
    boost = {"retain": 9.0, "forget": 0.0, "test_retain": 0.0}
    found = thresholds.threshold_attacks(make_case(model=make_model(boost=boost)), draws=3)
    assert found["mia/thr_confidence_heldout"] > 0.95
    flat = make_model(boost=dict.fromkeys(("retain", "test_retain"), 2.0), sizes={"retain": 3000, "test_retain": 3000})
    assert thresholds.threshold_attacks(make_case(model=flat), draws=3)["mia/thr_entropy_heldout"] == pytest.approx(
        0.5, abs=0.03
    )
