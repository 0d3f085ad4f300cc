from dataclasses import replace

import numpy as np
import pytest
from sklearn.svm import SVC

from cu.metrics import composites
from cu.metrics.membership import svc


def right(make_predictions, share, label_size=100, first_id=0):
    """Predictions of class 0 that are right for the given share of samples."""
    count = round(share * label_size)
    return make_predictions(
        np.eye(4)[np.repeat([0, 1], [count, label_size - count])], np.zeros(label_size, int), first_id
    )


@pytest.fixture
def model_with(make_model, make_predictions):
    def build(forget, retain, test):
        parts = {"forget": forget, "retain": retain, "test_retain": test}
        return replace(make_model(), **{name: right(make_predictions, share) for name, share in parts.items()})

    return build


def test_tug_of_war_of_a_hand_worked_case(make_case, model_with):
    assert composites.tug_of_war({"forget": 0.1, "retain": 0.0, "test": 0.05}) == pytest.approx(0.855)
    for sign in (1, -1):
        case = make_case(
            model=model_with(0.8 + sign * 0.1, 0.9, 0.7 - sign * 0.05), retrained=(model_with(0.8, 0.9, 0.7),)
        )
        assert composites.tugs_of_war(case, max_per_side=50, draws=3)["agg/tow"] == pytest.approx(0.855)


def test_average_gap_is_to_the_mean_of_the_retrained_models(make_case, model_with):
    others = (model_with(0.8, 0.9, 0.7), model_with(0.6, 0.9, 0.8))
    case = make_case(model=model_with(0.9, 0.9, 0.7), retrained=others)
    gaps = [0.2, 0.0, 0.05]
    values = composites.average_gap(case, max_per_side=50, draws=3)
    assert values["agg/avg_gap_acc"] == pytest.approx(np.mean(gaps))
    # Gaps on both sides of a target cancel in its mean, not in the mean of gaps.
    between = make_case(model=model_with(0.7, 0.9, 0.75), retrained=others)
    assert composites.average_gap(between, max_per_side=50, draws=3)["agg/avg_gap_acc"] == pytest.approx(0)


def test_the_attack_in_composites_is_the_reported_one(make_case):
    case = make_case(retrained=2)
    own, *others = (
        np.mean(svc.svc_attack(model, "confidence", svc.attack_rows(case, 150, 3)).rate)
        for model in (case.model, *case.retrained)
    )
    gap = abs(own - np.mean(others))
    values = composites.average_gap(case, max_per_side=150, draws=3)
    assert values["agg/avg_gap"] == pytest.approx((3 * values["agg/avg_gap_acc"] + gap) / 4)
    gaps = composites.accuracy_gaps(case)
    expected = (1 - gap) * (1 - gaps["retain"]) * (1 - gaps["test"])
    assert composites.tugs_of_war(case, max_per_side=150, draws=3)["agg/tow_mia"] == pytest.approx(expected)


def test_a_retrained_model_has_no_gap(make_case, make_model):
    model = make_model()
    case = make_case(model=model, retrained=(model, model))
    assert set(composites.average_gap(case, max_per_side=100, draws=3).values()) == {0.0}
    assert set(composites.tugs_of_war(case, max_per_side=100, draws=3).values()) == {1.0}


def test_adaptive_unlearning_score_of_hand_worked_cases(make_case, model_with, make_predictions):
    test_forget = right(make_predictions, 0.3)
    assert composites.unlearning_score(0.9, 0.9, 0.0) == 1
    assert composites.unlearning_score(0.9, 0.8, 0.5) == pytest.approx(0.9 / 1.5)
    original, model = model_with(1.0, 1.0, 0.9), model_with(0.6, 1.0, 0.8)
    sample = replace(make_case(model=model), original=original)
    assert composites.adaptive_unlearning_score(sample)["agg/aus"] == pytest.approx(0.9 / 1.2)
    # In class scenarios the authors' code takes the test samples of the forgotten classes, not the training samples.
    forgotten_class = replace(sample, scenario="class", model=replace(model, test_forget=test_forget))
    assert composites.adaptive_unlearning_score(forgotten_class)["agg/aus"] == pytest.approx(0.9 / 1.3)


def test_an_empty_component_is_nan(make_case, make_model, make_predictions):
    empty = make_predictions(np.empty((0, 4)), [])
    case = make_case(model=replace(make_model(), forget=empty))
    assert np.isnan(composites.average_gap(case, max_per_side=50, draws=3)["agg/avg_gap_acc"])
    assert np.isnan(composites.tugs_of_war(case, max_per_side=50, draws=3)["agg/tow"])


def confidences(part):
    z = part.logits.astype(float)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    return np.array([[p[i, y]] for i, y in enumerate(part.label)])


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_the_validation_gap_is_the_average_gap_on_validation_data(make_case, scenario):
    case = make_case(scenario, retrained=2)

    def parts(model, draw):
        kept = np.isin(model.val.label, case.forget_classes, invert=True)
        unseen = model.val.take(kept)
        rng = case.generator(f"agg/val_gap/{draw}")
        members = model.retain.take(rng.permutation(len(model.retain))[: len(unseen)])
        others = unseen.take(rng.permutation(len(unseen)))
        attack = SVC(C=3, gamma="auto").fit(
            np.concatenate([confidences(members), confidences(others)]), [1] * len(members) + [0] * len(others)
        )
        shares = [np.mean(p.logits.argmax(1) == p.label) for p in (model.forget, model.retain, unseen)]
        return np.array([*shares, np.mean(attack.predict(confidences(model.forget)) == 0)])

    first, second, own = (np.mean([parts(m, n) for n in range(3)], axis=0) for m in (*case.retrained, case.model))
    expected = np.abs(own - (first + second) / 2).mean()
    assert composites.validation_gap(case, max_per_side=2000, draws=3)["agg/val_gap"] == pytest.approx(expected)


def test_the_validation_gap_does_not_look_at_test_data(make_case, make_model):
    case = make_case()
    other = make_model(seed=77)
    blind = replace(case, model=replace(case.model, test_retain=other.test_retain, test_forget=other.test_forget))
    key = "agg/val_gap"
    assert (
        composites.validation_gap(blind, max_per_side=50, draws=3)[key]
        == composites.validation_gap(case, max_per_side=50, draws=3)[key]
    )


def test_without_validation_samples_there_is_no_validation_gap(make_case, make_model):
    case = make_case(model=make_model(sizes={"val": 0}), retrained=(make_model(seed=1, sizes={"val": 0}),))
    assert np.isnan(composites.validation_gap(case, max_per_side=50, draws=3)["agg/val_gap"])
