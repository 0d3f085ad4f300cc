"""Error rates of verdicts by simulation: of methods that are retrained models, equal, or exactly a margin away."""

import math

import numpy as np
import pytest
from scipy import stats

from cu.reporting.statistics.intervals import LEVEL, holm
from cu.reporting.statistics.precision import binomial_variance, known_variance
from cu.reporting.statistics.verdicts import closer_p, equivalence_p, far_p

pytestmark = pytest.mark.slow  # simulates error rates

DESIGNS = [(2, 2), (3, 2), (3, 3), (5, 5)]  # runs, and retrained models in each
DRAWS = 1500
# Three standard errors of a rate of 5 % in that many draws.
NOISE = 3 * math.sqrt(0.05 * 0.95 / DRAWS)
LAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(5, size=shape),
    "skewed": lambda rng, shape: rng.gamma(4, size=shape),
}
DIFFERENCES = [0.2, -0.1, 0.3, 0.0, 0.1]


def fresh(values, images=None, side=0):
    """The p-value of the first of each run's models [runs, 1 + K], against the others."""
    rest = values[:, 1:]
    least = binomial_variance(float(rest.mean()), images)
    counts = [rest.shape[1]] * len(rest)
    return far_p((values[:, 0] - rest.mean(1)).tolist(), rest.std(1, ddof=1).tolist(), counts, least, side)


def test_far_by_hand():
    # Two runs, K = 2; variances 2e-4 and 4e-4, pooled 3e-4 with 2 degrees of freedom; the mean gap of .2 has the
    # variance 3e-4 * 1.5 / 2, its root times 1.25.
    gaps, stds = [0.1, 0.3], [math.sqrt(2e-4), math.sqrt(4e-4)]
    t = 0.2 / (1.25 * math.sqrt(3e-4 * 1.5 / 2))
    assert far_p(gaps, stds, [2, 2]) == pytest.approx(2 * stats.t.sf(t, 2))
    assert far_p(gaps, stds, [2, 2], side=1) == pytest.approx(stats.t.sf(t, 2))
    assert far_p(gaps, stds, [2, 2], side=-1) == pytest.approx(stats.t.cdf(t, 2))
    # The error of 36 images is larger than that spread.
    least = binomial_variance(0.5, 36)
    assert least == pytest.approx(0.25 / 36)
    t = 0.2 / (1.25 * math.sqrt(least * 1.5 / 2))
    assert far_p(gaps, stds, [2, 2], least) == pytest.approx(2 * stats.t.sf(t, 2))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("runs", "k"), DESIGNS)
@pytest.mark.parametrize("metrics", [1, 12])
def test_a_fresh_retrained_model_is_far_in_at_most_5_percent_of_families(law, runs, k, metrics):
    rng = np.random.default_rng(runs * 10 + k)
    found = LAWS[law](rng, (DRAWS, metrics, runs, 1 + k))
    rate = np.mean([min(holm([fresh(values) for values in family])) < LEVEL for family in found])
    assert rate <= 0.05 + NOISE


@pytest.mark.parametrize(("runs", "k"), DESIGNS)
@pytest.mark.parametrize("share", [0.02, 0.5])
def test_so_are_accuracies_on_few_images_where_models_often_agree_exactly(runs, k, share):
    found = np.random.default_rng(runs).binomial(36, share, size=(DRAWS, runs, 1 + k)) / 36
    assert np.mean([fresh(values, images=36) < LEVEL for values in found]) <= 0.05 + NOISE


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("runs", "k"), DESIGNS)
def test_a_fresh_retrained_model_knows_in_secret_in_at_most_5_percent(law, runs, k):
    rng = np.random.default_rng(runs * 10 + k)
    found = LAWS[law](rng, (DRAWS, 3, runs, 1 + k))
    rate = np.mean([min(holm([fresh(values, side=1) for values in family])) < LEVEL for family in found])
    assert rate <= 0.05 + NOISE


def test_what_is_really_far_is_found():
    values = np.random.default_rng(0).normal(size=(500, 3, 3))
    values[:, :, 0] += 40
    assert np.mean([12 * fresh(own) < LEVEL for own in values]) > 0.9
    assert fresh(np.array([[0.9, 0.0, 0.0], [0.95, 0.0, 0.0]]), images=36) < LEVEL / 12


@pytest.mark.parametrize("runs", [2, 3, 5])
@pytest.mark.parametrize("images", [36, 320, 10_000])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_one_point_off_is_equivalent_in_at_most_5_percent(runs, images, share):
    # New images in every run; without their error this rate is 48 % for 36 images, 2 runs and a share of 0.
    rng = np.random.default_rng(runs)
    retrained = rng.binomial(images, share, size=(DRAWS, runs, 2)) / images
    method = rng.binomial(images, share + 0.01, size=(DRAWS, runs)) / images
    found = [_equivalent(m, r.mean(1), images) for m, r in zip(method, retrained, strict=True)]
    assert np.mean(found) <= 0.05 + NOISE


@pytest.mark.parametrize("runs", [2, 3, 5])
@pytest.mark.parametrize("images", [36, 320, 10_000])
def test_so_it_is_where_runs_share_their_images(runs, images):
    # The same images are right in every run: only their choice is random.
    rng = np.random.default_rng(runs)
    wrong = rng.binomial(images, 0.01, size=DRAWS) / images
    found = [_equivalent(np.full(runs, own) + rng.normal(0, 1e-6, runs), np.zeros(runs), images) for own in wrong]
    assert np.mean(found) <= 0.05 + NOISE


def _equivalent(method, retrained, images):
    finite = binomial_variance(float(method.mean()), images) + binomial_variance(float(retrained.mean()), images)
    return equivalence_p((method - retrained).tolist(), 0.01, finite) < LEVEL


def test_equal_methods_on_many_images_are_found_equivalent():
    assert _equivalent(np.array([0.901, 0.9, 0.899]), np.array([0.9, 0.9, 0.9]), 100_000)


@pytest.mark.parametrize("values", [DIFFERENCES, [-0.9, -0.7, -1.1], [0.4, 2.0], [1.2, 1.1, 1.3, 1.25]])
@pytest.mark.parametrize("margin", [0.15, 1.0])
def test_equivalence_is_the_worse_of_two_one_sided_tests(values, margin):
    low = stats.ttest_1samp(values, -margin, alternative="greater").pvalue
    high = stats.ttest_1samp(values, margin, alternative="less").pvalue
    assert equivalence_p(values, margin) == pytest.approx(max(low, high))


def test_no_spread_proves_nothing():
    assert math.isnan(equivalence_p([0.0, 0.0, 0.0], 0.01))
    assert math.isnan(far_p([0.1, 0.1], [0.0, 0.0], [2, 2]))
    assert math.isnan(closer_p([0.1, 0.1], [0.2, 0.2]))
    assert equivalence_p([0.0, 0.0, 0.0], 0.01, binomial_variance(0.0, 36) * 2) > LEVEL


@pytest.mark.parametrize("distances", ["around 0", "around 2 points", "of few images"])
@pytest.mark.parametrize("runs", [2, 3, 5])
@pytest.mark.parametrize("methods", [2, 4])
def test_of_equal_methods_one_is_closest_in_at_most_5_percent(distances, runs, methods):
    rng = np.random.default_rng(runs)
    centre, least = {"around 0": 0, "around 2 points": 2, "of few images": 0}[distances], 0.0
    gaps = np.abs(rng.normal(centre, 1, size=(DRAWS, methods, runs)))
    if distances == "of few images":
        gaps = np.abs(np.diff(rng.binomial(36, 0.1, size=(DRAWS, methods, runs, 2)), axis=-1)[..., 0]) / 36
        least = 2 * binomial_variance(0.1, 36)
    assert np.mean([_one_wins(own[np.argsort(own.mean(1))], least) for own in gaps]) <= 0.05 + NOISE


def _one_wins(ranked, least):
    return all(closer_p(ranked[0], other, least) < LEVEL for other in ranked[1:])


def test_closer_is_a_paired_t_test_to_both_sides():
    near, far = [0.1, 0.2, 0.1], [0.5, 0.7, 0.6]
    assert closer_p(near, far) == pytest.approx(stats.ttest_rel(far, near).pvalue)
    assert closer_p(near, far, 100.0) > 0.5


def test_one_run_or_one_retrained_model_gives_no_verdict():
    assert math.isnan(far_p([5.0], [0.1], [3]))
    assert math.isnan(far_p([5.0, 5.0], [0.1, 0.1], [2, 1]))
    assert math.isnan(equivalence_p([0.0], 0.01, 1e-9))
    assert math.isnan(closer_p([0.0], [1.0], 1e-9))


def test_binomial_variance_knows_no_certainty():
    assert binomial_variance(0.0, 36) == pytest.approx(2 / 40 * 38 / 40 / 36)
    assert binomial_variance(0.3, None) == binomial_variance(math.nan, 36) == 0


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.4), (0.2, 0.8), (0.05, 0.05)])
def test_a_difference_of_shares_is_no_better_known_than_it_is(shares):
    images, rng = 36, np.random.default_rng(0)
    found = [rng.binomial(images, share, 20_000) / images for share in shares]
    difference = found[0] - found[1]
    known = known_variance("mia/correctness_gap", shares[0] - shares[1], images)
    assert difference.var() < 1.1 * known
    assert known < (1 - (shares[0] - shares[1]) ** 2) / (2 * images) + 0.002
    advantage = 2 * rng.binomial(2 * images, (1 + shares[0] - shares[1]) / 2, 20_000) / (2 * images) - 1
    assert advantage.var() == pytest.approx(known_variance("mia/swap_lira_adv", shares[0] - shares[1], images), rel=0.1)
