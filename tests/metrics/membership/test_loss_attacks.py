from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC

from cu.metrics import primitives
from cu.metrics.membership import loss_attacks


def attacked(members, others, rng):
    """The attack on samples of one class."""
    labels = (np.zeros(len(members), int), np.zeros(len(others), int))
    return loss_attacks.logistic_attack(members, others, labels, rng)


def binary_logits(margins):
    """Two-class logits whose margin for label 0 is as given."""
    return np.column_stack([margins, np.zeros(len(margins))])


@pytest.mark.parametrize(
    ("distance", "accuracy", "area"), [(0.0, 0.5, 0.5), (1.0, 0.6915, 0.7602), (2.0, 0.8413, 0.9214)]
)
def test_logistic_attack_on_gaussians_has_a_closed_form(distance, accuracy, area):
    assert norm.cdf(distance / 2) == pytest.approx(accuracy, abs=1e-4)
    assert norm.cdf(distance / np.sqrt(2)) == pytest.approx(area, abs=1e-4)
    rng = np.random.default_rng(0)
    members, others = rng.normal(size=20_000), rng.normal(size=20_000) + distance
    assert attacked(members, others, rng) == pytest.approx((accuracy, area), abs=0.02)


def test_logistic_attack_is_blind_to_leakage_that_is_not_monotone():
    rng = np.random.default_rng(1)
    members = 0.3 * rng.normal(size=400)
    others = rng.choice([-2.0, 2.0], size=400) + 0.3 * rng.normal(size=400)
    accuracy, _ = attacked(members, others, rng)
    assert accuracy == pytest.approx(0.49, abs=0.1)
    feature, label = np.concatenate([members, others])[:, None], np.repeat([1, 0], 400)
    assert SVC().fit(feature[::2], label[::2]).score(feature[1::2], label[1::2]) > 0.99


def test_chance_is_a_half_with_imbalanced_sides():
    rng = np.random.default_rng(2)
    accuracy, area = attacked(rng.normal(size=500), rng.normal(size=10_000), rng)
    assert (accuracy, area) == pytest.approx((0.5, 0.5), abs=0.07)


def test_logistic_attack_on_little_data():
    rng = np.random.default_rng(3)
    assert np.isnan(attacked([1.0], [2.0, 3.0], rng)).all()
    assert np.isnan(attacked([], [2.0], rng)).all()
    assert attacked(np.zeros(4), np.full(50, 9.0), rng) == (1.0, 1.0)


def test_a_constant_feature_tells_nothing():
    accuracy, area = attacked(np.ones(40), np.ones(40), np.random.default_rng(4))
    assert accuracy == pytest.approx(0.5, abs=0.05)
    assert area == pytest.approx(0.5, abs=0.05)


def test_loss_confidence_and_margin_are_one_ranking(make_case):
    # As many classes of one size in both: all test samples are drawn, in every draw.
    case = make_case(sizes={"forget": 2000, "test_retain": 30}, num_classes=1 + 1)
    forget, unseen = case.model.forget, case.model.test_retain
    case = replace(case, scenario="class", model=replace(case.model, test_forget=unseen))
    area = loss_attacks.population_attacks(case, draws=3)["mia/loss_auc"]
    parts = [
        (primitives.softmax(p.logits)[np.arange(len(p)), p.label], primitives.margin(p.logits, p.label))
        for p in (forget, unseen)
    ]
    for members, others in zip(*parts, strict=True):
        y = np.repeat([1, 0], [len(members), len(others)])
        assert roc_auc_score(y, np.concatenate([members, others])) == pytest.approx(area, abs=1e-12)


def test_signed_aucs_point_to_members_and_worst_takes_both_sides(make_case, make_model):
    sharp, blunt = dict.fromkeys(("forget", "retain"), 9.0), {"forget": -4.0, "retain": 9.0}
    leaking = loss_attacks.population_attacks(make_case(model=make_model(boost=sharp)), draws=3)
    assert min(leaking.values()) > 0.5
    assert leaking["mia/loss_auc"] > 0.9
    assert leaking["mia/pop_worst_auc"] == max(leaking[f"mia/{n}_auc"] for n in ("loss", "entropy", "mentropy"))
    over = loss_attacks.population_attacks(make_case(model=make_model(boost=blunt)), draws=3)
    assert over["mia/loss_auc"] < 0.1
    assert over["mia/pop_worst_auc"] > 0.9
    assert over["mia/loss_tpr@0.01"] == 0


def test_non_members_of_a_forgotten_class_are_of_that_class(make_case, make_model):
    # A retrained model is wrong on all of the class, seen or not: no leakage, unless other classes are the control.
    case = make_case("class", model=make_model("class", sizes={"forget": 500, "test_forget": 500}))
    forget, other_classes = case.model.forget, case.model.test_retain
    mismatched = primitives.auc(
        -primitives.loss(forget.logits, forget.label), -primitives.loss(other_classes.logits, other_classes.label)
    )
    assert mismatched < 0.001
    assert loss_attacks.population_attacks(case, draws=3)["mia/loss_auc"] == pytest.approx(0.503, abs=0.08)
    assert loss_attacks.logistic_loss_attack(case, draws=3)["mia/logreg_auc"] == pytest.approx(0.5, abs=0.09)


def test_without_unseen_samples_of_the_class_attacks_are_nan(make_case):
    case = make_case("class", sizes={"test_forget": 0})
    assert np.isnan(list(loss_attacks.population_attacks(case, draws=3).values())).all()
    assert np.isnan(list(loss_attacks.logistic_loss_attack(case, draws=3).values())).all()


def test_the_tpr_is_that_of_the_loss(make_case, make_model, make_predictions):
    rng = np.random.default_rng(5)
    forget, unseen = rng.normal(size=300) + 2, rng.normal(size=300)
    label = np.zeros(300, int)
    model = replace(
        make_model(num_classes=2),
        forget=make_predictions(binary_logits(forget), label),
        test_retain=make_predictions(binary_logits(unseen), label, 5000),
    )
    found = loss_attacks.population_attacks(make_case(model=model, num_classes=2), draws=3)["mia/loss_tpr@0.01"]
    assert found == pytest.approx(np.mean(forget.astype(np.float32) > np.sort(unseen.astype(np.float32))[-4]))


def test_retained_privacy_sees_overfitting(make_case, make_model):
    flat = make_model(boost={"retain": 2.0, "test_retain": 2.0}, sizes={"retain": 4000, "test_retain": 4000})
    sharp = make_model(boost={"retain": 9.0, "test_retain": 2.0})
    assert loss_attacks.retained_privacy(make_case(model=flat))["mia/retain_auc"] == pytest.approx(0.5, abs=0.03)
    assert loss_attacks.retained_privacy(make_case(model=sharp))["mia/retain_auc"] > 0.95


def test_the_logistic_attack_reads_losses_up_to_100_and_no_further(make_case, make_model, make_predictions):
    def values(member_losses, other_losses):
        # Two classes and a large negative margin: the loss is minus the margin.
        parts = [
            make_predictions(binary_logits(-np.asarray(x)), np.zeros(len(x), int), 0)
            for x in (member_losses, other_losses)
        ]
        model = replace(make_model(num_classes=2), forget=parts[0], test_retain=parts[1])
        return loss_attacks.logistic_loss_attack(make_case(model=model, num_classes=2), draws=3)

    rng = np.random.default_rng(6)
    members, others = rng.uniform(40, 60, 100), rng.uniform(70, 90, 100)
    assert values(members, others) == {"mia/logreg_acc": 1.0, "mia/logreg_auc": 1.0}
    outliers = [np.concatenate([members, np.full(10, far)]) for far in (1e2, 1e4)]
    assert values(outliers[0], others) == values(outliers[1], others)
