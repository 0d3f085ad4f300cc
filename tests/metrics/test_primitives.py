from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from cu.metrics import primitives

RNG = np.random.default_rng(0)
LOGITS, LABEL = 3 * RNG.normal(size=(200, 5)), RNG.integers(5, size=200)
TOY = np.log([[0.7, 0.2, 0.1]] * 3)


def test_log_softmax_survives_large_logits():
    assert primitives.log_softmax(np.array([[1000.0, 0.0]])) == pytest.approx(np.array([[0.0, -1000.0]]))
    assert primitives.softmax(LOGITS).sum(axis=1) == pytest.approx(np.ones(200))
    assert primitives.softmax(LOGITS)[0] == pytest.approx(np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum())


def test_loss_is_both_softplus_of_margin_and_negative_log_softmax():
    direct = -primitives.log_softmax(LOGITS)[np.arange(200), LABEL]
    assert np.abs(primitives.loss(LOGITS, LABEL) - direct).max() < 1e-12
    assert expit(primitives.margin(LOGITS, LABEL)) == pytest.approx(np.exp(-direct))


def test_margin_does_not_saturate():
    z = np.array([[40.0, 0.0, 0.0]], dtype=np.float32)
    assert primitives.margin(z, np.array([0]))[0] == pytest.approx(39.307, abs=1e-3)
    with np.errstate(divide="ignore"):
        p = np.exp(z[0, 0]) / np.exp(z[0]).sum()
        assert np.isinf(np.log(p / (1 - p)))


def test_loss_still_orders_saturated_samples():
    z = np.array([[40.0, 0.0], [50.0, 0.0], [60.0, 0.0]], dtype=np.float32)
    losses = primitives.loss(z, np.zeros(3, int))
    assert losses[0] > losses[1] > losses[2] > 0


def test_entropy_of_a_uniform_and_a_certain_prediction():
    assert primitives.entropy(np.zeros((1, 10)))[0] == pytest.approx(2.3026, abs=1e-4)
    assert primitives.entropy(np.array([[0.0, -1e4, -1e4]]))[0] == 0
    assert primitives.entropy(TOY)[0] == pytest.approx(0.80182, abs=1e-5)


def test_modified_entropy_depends_on_the_label():
    values = primitives.modified_entropy(TOY, np.array([0, 1, 2]))
    assert values == pytest.approx([0.16217, 2.14087, 2.95974], abs=1e-5)
    # A widespread implementation gives this for every label.
    assert not np.isclose(values, 3.4669, atol=1e-3).any()


def test_modified_entropy_is_0_when_right_and_large_when_wrong():
    certain = np.array([[200.0, 0.0], [200.0, 0.0]])
    right, wrong = primitives.modified_entropy(certain, np.array([0, 1]))
    assert right == pytest.approx(0, abs=1e-12)
    assert wrong == pytest.approx(2 * 200)


def test_modified_entropy_matches_a_loop():
    p = primitives.softmax(LOGITS)
    for row in range(20):
        y = LABEL[row]
        expected = -(1 - p[row, y]) * np.log(p[row, y])
        expected -= sum(p[row, i] * np.log(1 - p[row, i]) for i in range(5) if i != y)
        assert primitives.modified_entropy(LOGITS[row : row + 1], LABEL[row : row + 1])[0] == pytest.approx(expected)


def test_a_constant_added_to_the_logits_of_a_sample_changes_nothing():
    moved = LOGITS + RNG.normal(size=(200, 1)) * 100
    for statistic in (primitives.margin, primitives.loss, primitives.modified_entropy):
        assert statistic(moved, LABEL) == pytest.approx(statistic(LOGITS, LABEL), abs=1e-9)
    assert primitives.entropy(moved) == pytest.approx(primitives.entropy(LOGITS), abs=1e-9)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_logits_that_are_not_finite_are_an_error(bad):
    z = LOGITS.copy()
    z[3, 1] = bad
    for statistic in (primitives.margin, primitives.loss, primitives.modified_entropy):
        with pytest.raises(ValueError, match="1 of 200 samples"):
            statistic(z, LABEL)
    for statistic in (primitives.entropy, primitives.softmax, primitives.predicted):
        with pytest.raises(ValueError, match="finite"):
            statistic(z)


def test_no_samples_give_no_values():
    empty, label = np.empty((0, 3), np.float32), np.empty(0, np.int64)
    assert primitives.loss(empty, label).shape == primitives.entropy(empty).shape == (0,)
    assert primitives.modified_entropy(empty, label).shape == primitives.predicted(empty).shape == (0,)
    assert np.isnan(primitives.mean([]))


def test_auc_equals_scikit_learn_with_ties():
    a, b = RNG.integers(8, size=90) + 1, RNG.integers(8, size=70)
    expected = roc_auc_score(np.repeat([1, 0], [90, 70]), np.concatenate([a, b]))
    assert primitives.auc(a, b) == pytest.approx(expected)
    assert primitives.auc(-a, -b) == pytest.approx(1 - expected)
    assert (
        primitives.two_sided_auc(-a, -b) == primitives.two_sided_auc(a, b) == pytest.approx(max(expected, 1 - expected))
    )


def test_auc_of_an_empty_side_is_nan():
    assert np.isnan(primitives.auc([], [1.0]))
    assert np.isnan(primitives.two_sided_auc([1.0], []))
    assert np.isnan(primitives.tpr_at_fpr([], [1.0], 0.1))


@pytest.mark.parametrize(
    ("members", "others", "error"), [(1000, 1000, 0.0129), (5000, 1000, 0.0100), (5000, 5000, 0.0058)]
)
def test_spread_of_auc_without_leakage(members, others, error):
    rng = np.random.default_rng(1)
    areas = [primitives.auc(rng.random(members), rng.random(others)) for _ in range(300)]
    assert np.std(areas) == pytest.approx(error, rel=0.2)
    assert np.mean(areas) == pytest.approx(0.5, abs=4 * error / np.sqrt(300))


def test_tpr_at_fpr_of_a_hand_worked_case():
    members, others = [0.9, 0.8, 0.3, 0.1], [0.7, 0.2, 0.15, 0.05]
    assert primitives.tpr_at_fpr(members, others, 0.0) == 0.5
    assert primitives.tpr_at_fpr(members, others, 0.25) == 0.75
    # Neither the nearest point nor the first one beyond: 0.24 allows no false positive among four.
    assert primitives.tpr_at_fpr(members, others, 0.24) == 0.5
    assert primitives.tpr_at_fpr(members, others, 1.0) == 1.0


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.1, 0.29, 0.5, 0.999])
def test_tpr_at_fpr_equals_the_roc_curve(alpha):
    rng = np.random.default_rng(2)
    a, b = rng.integers(40, size=83) + 4.0, rng.integers(40, size=100) + 0.0
    fpr, tpr, _ = roc_curve(np.repeat([1, 0], [83, 100]), np.concatenate([a, b]), drop_intermediate=False)
    assert primitives.tpr_at_fpr(a, b, alpha) == pytest.approx(tpr[fpr <= alpha + 1e-12].max())


def test_balanced_draws_without_replacement_from_the_whole_larger_side():
    first, second = np.arange(500), np.arange(10_000)
    a, b = primitives.balanced(first, second, np.random.default_rng(0))
    assert np.array_equal(a, first)
    assert len(b) == len(set(b)) == 500
    assert b.max() > 9000
    assert np.array_equal(b, primitives.balanced(first, second, np.random.default_rng(0))[1])


def test_jensen_shannon_in_bits():
    p, q = np.array([[0.9, 0.1]]), np.array([[0.1, 0.9]])
    assert primitives.jensen_shannon(p, q)[0] == pytest.approx(0.53100, abs=1e-5)
    assert primitives.jensen_shannon(p, q)[0] * np.log(2) == pytest.approx(0.36806, abs=1e-5)
    # KL(middle || p), as some code computes it, averaged over samples and classes.
    assert primitives.jensen_shannon(p, q)[0] * np.log(2) != pytest.approx(0.2554, abs=1e-3)
    assert primitives.jensen_shannon(np.eye(2)[:1], np.eye(2)[1:])[0] == 1
    assert primitives.jensen_shannon(p, p)[0] == 0


def test_jensen_shannon_is_the_square_of_scipys_distance():
    p, q = primitives.softmax(LOGITS), primitives.softmax(LOGITS[::-1])
    assert primitives.jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, axis=1, base=2) ** 2)


def test_gaussians_have_the_closed_form_auc():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=20_000) + 1, rng.normal(size=20_000)
    assert primitives.auc(a, b) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.02)


@pytest.mark.parametrize("low", [20, 30, 40, 60])
def test_large_margins_are_not_tied_by_the_modified_entropy(low):
    """Of two classes it falls with the margin, as the loss does: one ranking, also of what rounds to probability 1."""
    rng = np.random.default_rng(low)
    sides = [(low + 20 * rng.random(300) ** power).astype(np.float32) for power in (0.5, 1.5)]
    z, label = [np.column_stack([side, np.zeros(300, np.float32)]) for side in sides], np.zeros(300, int)
    by_loss = primitives.auc(*(-primitives.loss(part, label) for part in z))
    assert by_loss == primitives.auc(*sides) > 0.7
    assert primitives.auc(*(-primitives.modified_entropy(part, label) for part in z)) == by_loss
    assert primitives.auc(*(-primitives.entropy(part) for part in z)) == by_loss


@pytest.mark.parametrize("margin", [1, 20, 40, 80])
def test_statistics_of_certain_predictions_equal_exact_arithmetic(margin):
    z, label = np.array([[margin, 0, 1]], dtype=np.float32), np.array([0])
    with localcontext() as context:
        context.prec = 120
        weights = [Decimal(value).exp() for value in (margin, 0, 1)]
        p = [w / sum(weights) for w in weights]
        entropy = -sum(x * x.ln() for x in p)
        wrong = sum(x * (1 - x).ln() for x in p[1:])
        modified = -(1 - p[0]) * p[0].ln() - wrong
        complements = [float((1 - x).ln()) for x in p]
        loss = -p[0].ln()
    assert primitives.entropy(z)[0] == pytest.approx(float(entropy), rel=1e-9)
    assert primitives.modified_entropy(z, label)[0] == pytest.approx(float(modified), rel=1e-9)
    assert primitives.loss(z, label)[0] == pytest.approx(float(loss), rel=1e-9)
    assert -primitives.log_softmax(z)[0, 0] == pytest.approx(float(loss), rel=1e-9)
    assert primitives.log_complement(z)[0] == pytest.approx(complements, rel=1e-9)


def test_allowed_false_positives_are_counted_in_decimals():
    for count in range(1, 2000):
        allowed = sum(100 * k <= count for k in range(1, count + 1))
        others = np.arange(count)[::-1]
        assert primitives.attained_fpr(others, 0.01) == allowed / count
        assert primitives.tpr_at_fpr([count - allowed - 0.5], others, 0.01) == 1
        assert primitives.tpr_at_fpr([count - allowed - 1.5], others, 0.01) == 0


def test_the_attained_rate_is_below_the_nominal_one_with_few_or_tied_non_members():
    assert primitives.attained_fpr(np.arange(36), 0.01) == 0
    assert primitives.attained_fpr(np.repeat([1.0, 0.0], [30, 70]), 0.29) == 0
    assert primitives.attained_fpr(np.repeat([1.0, 0.0], [30, 70]), 0.3) == 0.3
    assert np.isnan(primitives.attained_fpr([], 0.1))
