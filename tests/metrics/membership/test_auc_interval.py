import numpy as np
import pytest

from cu.metrics import primitives
from cu.metrics.membership.auc_interval import delong_interval, loss_auc_interval


def by_pairs(a, b):
    """The same interval by counting pairs, as DeLong et al. write it."""
    wins = (a[:, None] > b[None]) + 0.5 * (a[:, None] == b[None])
    error = np.sqrt(wins.mean(1).var(ddof=1) / len(a) + wins.mean(0).var(ddof=1) / len(b))
    return max(0.0, wins.mean() - 1.959964 * error), min(1.0, wins.mean() + 1.959964 * error)


@pytest.mark.parametrize("values", [lambda r, n: r.normal(size=n), lambda r, n: r.integers(4, size=n)])
def test_it_equals_the_count_of_pairs_with_and_without_ties(values):
    rng = np.random.default_rng(0)
    a, b = values(rng, 40) + 0.5, values(rng, 25)
    assert delong_interval(a, b) == pytest.approx(by_pairs(a, b), abs=1e-6)


def test_the_interval_covers_the_true_auc_in_95_of_100_cases():
    rng = np.random.default_rng(1)
    true = 0.7602  # of unit normals one apart
    intervals = np.array([delong_interval(rng.normal(1, 1, 100), rng.normal(0, 1, 80)) for _ in range(1000)])
    covered = np.mean((intervals[:, 0] <= true) & (true <= intervals[:, 1]))
    assert covered == pytest.approx(0.95, abs=0.03)


def test_separation_and_too_few_scores():
    assert delong_interval([2, 3], [0, 1]) == (1, 1)
    assert np.isnan(delong_interval([1], [0, 1])).all()
    assert np.isnan(delong_interval([1, 2], [])).all()


def test_it_lies_around_the_loss_attack(make_case):
    case = make_case()
    sides = [(case.model.forget, case.matched_non_members(draw=number)) for number in range(3)]
    losses = [[-primitives.loss(part.logits, part.label) for part in pair] for pair in sides]
    auc = np.mean([primitives.auc(*pair) for pair in losses])
    found = loss_auc_interval(case, draws=3)
    assert found["mia/loss_auc_low"] < auc < found["mia/loss_auc_high"]
    assert found["mia/loss_auc_low"] + found["mia/loss_auc_high"] == pytest.approx(2 * auc)
