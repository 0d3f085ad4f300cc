import numpy as np
import pytest

from cu.metrics.accuracy.class_leakage import (
    acceptance_rates,
    class_membership,
    class_profile,
    mean_profile,
    retained_logits,
)
from cu.metrics.case import Case
from cu.metrics.predictions import ModelPredictions, Predictions

RETRAINED, UNIFORM = (0.1, 0.8, 0.1), (1 / 3, 1 / 3, 1 / 3)
FORGET = 1  # of four classes: the retained ones are 0, 2, 3


def model(rng, profile, *, n=2000, forget_logit=-3.0):
    """Retained test samples on their class; forgotten ones spread over the retained classes by `profile`."""
    kept = np.array([0, 2, 3])

    def logits(drawn):
        values = 4 * np.eye(3)[drawn] + rng.normal(0, 0.8, (len(drawn), 3))
        return np.insert(values, FORGET, forget_logit, axis=1).astype(np.float32)

    def part(drawn, label, first):
        ids = np.arange(first, first + len(drawn))
        return Predictions(logits(drawn), np.zeros((len(drawn), 1), np.float32), label.astype(np.int64), ids)

    own = np.arange(n) % 3
    drawn = rng.choice(3, size=n, p=profile)
    nothing = part(own[:0], own[:0], 0)
    test, forgotten = part(own, kept[own], 0), part(drawn, np.full(n, FORGET), n)
    return ModelPredictions(nothing, nothing, nothing, test, forgotten)


def case_of(judged, *retrained):
    return Case(
        model=judged, retrained=retrained, original=None, scenario="class", forget_classes=(FORGET,), num_classes=4
    )


def test_uniform_spread_is_told_from_the_retrained_profile():
    rng = np.random.default_rng(0)
    targets = model(rng, RETRAINED), model(rng, RETRAINED)
    found = class_membership(case_of(model(rng, UNIFORM), *targets), max_train=1500, draws=2, max_classes=100)
    assert found["cmia/gap_nn"] == pytest.approx(0.47, abs=0.03)
    assert found["cmia/gap_max"] == found["cmia/gap_nn"]
    assert found["cmia/gap_mean"] == pytest.approx((0.47 + 0.23 + 0.23) / 3, abs=0.03)
    again = class_membership(case_of(model(rng, RETRAINED), *targets), max_train=1500, draws=2, max_classes=100)
    assert again["cmia/gap_nn"] < 0.02
    assert again["cmia/gap_max"] < 0.03


def test_profile_divergence():
    rng = np.random.default_rng(0)
    target, alike, uniform = model(rng, RETRAINED), model(rng, RETRAINED), model(rng, UNIFORM)
    assert class_profile(case_of(target, target)) == {"cmia/profile_js": 0.0}
    assert class_profile(case_of(alike, target))["cmia/profile_js"] < 0.001
    assert class_profile(case_of(uniform, target))["cmia/profile_js"] > 0.1
    p, q = (m.test_forget.logits[:, [0, 2, 3]].astype(float) for m in (uniform, target))
    p, q = (np.mean(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), axis=0) for z in (p, q))
    m = (p + q) / 2
    expected = ((p * np.log2(p / m)).sum() + (q * np.log2(q / m)).sum()) / 2
    assert class_profile(case_of(uniform, target))["cmia/profile_js"] == pytest.approx(expected)


def test_the_forget_logit_plays_no_role():
    targets = [model(np.random.default_rng(s), RETRAINED) for s in (1, 2)]
    plain = case_of(model(np.random.default_rng(0), UNIFORM), *targets)
    masked = case_of(model(np.random.default_rng(0), UNIFORM, forget_logit=-1e4), *targets)
    assert class_profile(plain) == class_profile(masked)
    assert class_membership(plain, max_train=500, draws=2, max_classes=100) == class_membership(
        masked, max_train=500, draws=2, max_classes=100
    )


def test_identical_models_have_no_gap():
    target = model(np.random.default_rng(0), RETRAINED)
    assert set(class_membership(case_of(target, target), max_train=900, draws=2, max_classes=100).values()) == {0.0}


def test_acceptance_rates_by_construction():
    train_class = np.repeat([0, 1, 2], 60)
    train = 5 * np.eye(3)[train_class] + np.random.default_rng(0).normal(0, 0.1, (180, 3))
    probe = 5 * np.eye(3)[[0, 0, 0, 2]]
    assert acceptance_rates(train, train_class, probe, 3).tolist() == [0.75, 0, 0.25]


def test_classes_without_samples_are_undefined_not_zero():
    rates = acceptance_rates(np.eye(2).repeat(5, axis=0), np.repeat([0, 2], 5), np.eye(2), 3)
    assert np.isnan(rates).tolist() == [False, True, False]
    assert np.isnan(acceptance_rates(np.ones((4, 2)), np.zeros(4, int), np.eye(2), 3)).all()


def test_empty_splits_are_undefined():
    rng, empty = np.random.default_rng(0), np.array([], dtype=np.int64)
    full = model(rng, UNIFORM)
    bare = ModelPredictions(full.retain, full.forget, full.val, full.test_retain, full.test_forget.take(empty))
    values = {
        **class_profile(case_of(bare, bare)),
        **class_membership(case_of(bare, bare), max_train=100, draws=2, max_classes=100),
    }
    assert len(values) == 4
    assert all(np.isnan(v) for v in values.values())


def test_profile_is_the_renormalised_softmax():
    logits = np.log([[0.5, 0.2, 0.2, 0.1], [0.9, 0.05, 0.04, 0.01]])
    assert mean_profile(retained_logits(logits, (0,))) == pytest.approx([0.45, 0.4, 0.15])
