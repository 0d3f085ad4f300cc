from dataclasses import replace

import numpy as np
import pytest
import torch

from cu.metrics.distribution import divergence, loss_distributions

SPLITS = ("forget_train", "retain_test", "forget_test")


def test_agreement_of_equal_and_random_models():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20_000, 5)), rng.normal(size=(20_000, 5))
    assert divergence.agreement(a, a) == 1
    assert divergence.agreement(a, b) == pytest.approx(1 / 5, abs=0.012)


def test_output_distances_of_hand_worked_cases():
    p, q = np.log([[0.9, 0.1]]), np.log([[0.1, 0.9]])
    assert divergence.js_distance(p, q) == pytest.approx(0.53100, abs=1e-5)
    assert divergence.activation_distance(p, q) == pytest.approx(0.8 * np.sqrt(2))
    one, other = np.array([[500.0, 0.0]]), np.array([[0.0, 500.0]])
    assert divergence.js_distance(one, other) == pytest.approx(1)
    assert divergence.activation_distance(one, other) == pytest.approx(np.sqrt(2))


def test_a_disjoint_prediction_over_ten_classes_is_far_away():
    # 0.91 on one class each and 0.01 elsewhere: public code that swaps the arguments reports 0.1447.
    p = np.full(10, 0.01)
    q = p.copy()
    p[0] = q[1] = 0.91
    assert divergence.js_distance(np.log([p]), np.log([q])) == pytest.approx(0.840, abs=1e-3)


def test_every_split_is_compared_and_averaged_over_retrained_models(make_case):
    case = make_case("class", retrained=3)
    agree, distance = divergence.agreements(case), divergence.output_distances(case)
    for split, name in zip(SPLITS, ("forget", "test_retain", "test_forget"), strict=True):
        own = getattr(case.model, name)
        others = [getattr(model, name) for model in case.retrained]
        same = [np.mean(own.logits.argmax(1) == other.logits.argmax(1)) for other in others]
        assert agree[f"agree/{split}"] == pytest.approx(np.mean(same))
        js = [divergence.js_distance(own.logits, other.logits) for other in others]
        assert distance[f"dist/js_{split}"] == pytest.approx(np.mean(js))
    assert len({round(v, 6) for v in agree.values()}) == 3


def test_a_model_is_at_no_distance_from_itself(make_case, make_model):
    model = make_model("class")
    case = make_case("class", model=model, retrained=(model, model))
    assert set(divergence.agreements(case).values()) == {1.0}
    assert set(divergence.output_distances(case).values()) == {0.0}
    assert loss_distributions.loss_distance(case)["dist/ks_loss_stat"] == 0
    assert loss_distributions.loss_log_p(case)["dist/ks_loss_logp"] == 0


def test_an_empty_split_is_nan(make_case):
    case = make_case("sample")
    assert np.isnan(divergence.agreements(case)["agree/forget_test"])
    assert np.isnan(divergence.output_distances(case)["dist/js_forget_test"])
    assert np.isfinite(divergence.output_distances(case)["dist/js_retain_test"])


def test_models_on_different_samples_cannot_be_compared(make_case, make_model):
    other = make_model(seed=9)
    for name, call in (
        ("forget", loss_distributions.loss_distance),
        ("forget", divergence.agreements),
        ("test_retain", divergence.output_distances),
    ):
        part = getattr(other, name)
        shuffled = part.take(np.arange(len(part))[::-1])
        with pytest.raises(ValueError, match="same samples in the same order"):
            call(make_case(retrained=(replace(other, **{name: shuffled}),)))


def test_further_distances_of_hand_worked_cases():
    p, q = np.log([[0.9, 0.1]]), np.log([[0.1, 0.9]])
    assert divergence.activation_distance_l1(p, q) == pytest.approx(1.6)
    one, other = np.array([[500.0, 0.0]]), np.array([[0.0, 500.0]])
    assert divergence.activation_distance_l1(one, other) == pytest.approx(2)
    # KL(target || model) with target (.5, .5) and model (.9, .1): .5 ln(.5/.9) + .5 ln(.5/.1).
    assert divergence.kl_divergence(p, np.log([[0.5, 0.5]])) == pytest.approx(0.5108256, abs=1e-6)
    assert divergence.kl_divergence(np.log([[0.5, 0.5]]), p) == pytest.approx(0.3680642, abs=1e-6)


def test_kl_has_the_order_of_torchs(make_case):
    case = make_case("class", retrained=2)
    own = torch.tensor(case.model.test_retain.logits).double().log_softmax(1)
    others = [torch.tensor(m.test_retain.logits).double().softmax(1) for m in case.retrained]
    expected = np.mean([torch.nn.functional.kl_div(own, p, reduction="batchmean").item() for p in others])
    found = divergence.further_output_distances(case)
    assert found["dist/kl_retain_test"] == pytest.approx(expected)
    assert set(divergence.further_output_distances(replace(case, retrained=(case.model,))).values()) == {0.0}
