import math
from statistics import median

import pytest
import torch
from scipy.stats import wasserstein_distance
from sklearn.linear_model import LinearRegression

from cu.losses.discrepancy import median_distance, probe_r2, sliced_wasserstein2, weighted_mmd2

WIDTHS = (0.3, 1.0)


def sides(n=5, m=7, dims=3, seed=0):
    source = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(size, dims, generator=source, dtype=torch.float64) for size in (n, m))
    weights = torch.rand(m, generator=source, dtype=torch.float64)
    return x, y + 1, weights / weights.sum()


def naive_mmd2(x, y, weights, widths):
    def squared(a, b):
        return sum((p - q) ** 2 for p, q in zip(a, b, strict=True))

    # Of an even number of distances, torch takes the lower one in the middle.
    distances = sorted(squared(y[i], y[j]) for i in range(len(y)) for j in range(i))
    unit = distances[(len(distances) - 1) // 2]
    assert unit <= median(distances)

    def kernel(a, b):
        return sum(math.exp(-squared(a, b) / (2 * w * w * unit)) for w in widths) / len(widths)

    n, weighted = len(x), list(zip(y, weights, strict=True))
    own = sum(kernel(a, b) for a in x for b in x) / n**2
    cross = sum(v * kernel(a, b) for a in x for b, v in weighted) / n
    return own - 2 * cross + sum(v * u * kernel(a, b) for a, v in weighted for b, u in weighted)


def test_mmd_agrees_with_the_formula_written_out():
    x, y, weights = sides()
    expected = naive_mmd2(x.tolist(), y.tolist(), weights.tolist(), WIDTHS)
    assert weighted_mmd2(x, y, weights, WIDTHS, median_distance(y)).item() == pytest.approx(expected)


def test_a_weight_counts_like_copies_of_a_target():
    x, y, _ = sides(m=3)
    copies = y[[0, 0, 0, 1, 2, 2]]
    unit = median_distance(y)
    one = weighted_mmd2(x, copies, torch.full((6,), 1 / 6, dtype=torch.float64), WIDTHS, unit)
    other = weighted_mmd2(x, y, torch.tensor([0.5, 1 / 6, 1 / 3]).double(), WIDTHS, unit)
    assert one.item() == pytest.approx(other.item())


def test_equal_distributions_are_at_the_minimum_with_a_gradient_of_nothing():
    x, _, _ = sides(n=6)
    points = x.clone().requires_grad_()
    even = torch.full((6,), 1 / 6, dtype=torch.float64)
    shuffled = x[torch.randperm(6, generator=torch.Generator().manual_seed(0))]
    loss = weighted_mmd2(points, shuffled, even, WIDTHS, median_distance(x))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert points.grad.abs().max() < 1e-12


def test_descent_moves_points_into_the_distribution_and_not_into_its_middle():
    source = torch.Generator().manual_seed(0)
    y = torch.cat([torch.randn(60, 2, generator=source) * 0.1 + 3 * s for s in (-1, 1)])
    x = torch.randn(40, 2, generator=source).requires_grad_()
    weights = torch.cat([torch.full((60,), 0.75 / 60), torch.full((60,), 0.25 / 60)])
    optimizer = torch.optim.Adam([x], 0.1)
    for _ in range(150):
        optimizer.zero_grad()
        weighted_mmd2(x, y, weights, (0.1, 0.3, 1.0), median_distance(torch.cat([x, y]))).backward()
        optimizer.step()
    sides_of = (x[:, 0] < 0).float().mean().item()
    assert sides_of == pytest.approx(0.75, abs=0.1)
    near = ((x.detach().abs() - 3).abs() < 1).all(1)
    assert near.float().mean() > 0.8


def test_gradients_are_finite_where_all_points_coincide_and_for_one_point():
    same = torch.ones(4, 3).requires_grad_()
    weighted_mmd2(same, torch.ones(2, 3), torch.tensor([0.5, 0.5]), WIDTHS, median_distance(same)).backward()
    assert same.grad.isfinite().all()
    one = torch.zeros(1, 3).requires_grad_()
    weighted_mmd2(one, torch.ones(1, 3), torch.ones(1), WIDTHS, median_distance(one)).backward()
    assert one.grad.isfinite().all()


def test_sliced_wasserstein_along_one_direction_is_that_of_sorted_values():
    x, y, _ = sides(n=6, m=6)
    axis = torch.tensor([[0.0, 1.0, 0.0]]).double()
    even = torch.full((6,), 1 / 6, dtype=torch.float64)
    expected = sum((a - b) ** 2 for a, b in zip(sorted(x[:, 1].tolist()), sorted(y[:, 1].tolist()), strict=True)) / 6
    assert sliced_wasserstein2(x, y, even, axis).item() == pytest.approx(expected)


def test_weights_of_sliced_wasserstein_are_those_of_the_levels():
    # Two targets, three quarters and a quarter: of four points the lowest three go to the first.
    x, y = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([[10.0], [-5.0]])
    weights, axis = torch.tensor([0.25, 0.75]), torch.ones(1, 1)
    assert sliced_wasserstein2(x, y, weights, axis).item() == pytest.approx((25 + 36 + 49 + 49) / 4)
    first = wasserstein_distance(x[:, 0], y[:, 0], v_weights=weights)
    assert first == pytest.approx((5 + 6 + 7 + 7) / 4), "the same plan has the known first distance"


def test_the_adversary_s_advantage_is_r_squared_of_a_weighted_least_squares_fit():
    x, y, weights = sides(n=9, m=14)
    rows, sign = torch.cat([x, y]).numpy(), [1.0] * 9 + [-1.0] * 14
    mass = [0.5 / 9] * 9 + (0.5 * weights).tolist()
    expected = LinearRegression().fit(rows, sign, mass).score(rows, sign, mass)
    assert probe_r2(x, y, weights, penalty=0).item() == pytest.approx(expected)
    assert 0 < probe_r2(x, y, weights).item() < expected


def test_the_adversary_finds_nothing_where_the_means_agree_and_everything_where_a_line_parts_them():
    x = torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    y = torch.tensor([[3.0, 0.0], [-3.0, 0.0]])
    even = torch.tensor([0.5, 0.5])
    assert probe_r2(x, y, even).item() == 0
    assert probe_r2(x + torch.tensor([100.0, 0.0]), y, even, penalty=1e-4).item() == pytest.approx(1, abs=0.01)
