from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ortho_group

from cu.metrics.predictions import ModelPredictions
from cu.metrics.representation.discrepancy import carried, mmd_to_retrained, paired_mmd2, standardised


def naive_mmd2(x, y, widths):
    def kernel(a, b):
        squared = sum((p - q) ** 2 for p, q in zip(a, b, strict=True))
        return sum(np.exp(-squared / (2 * w * w)) for w in widths) / len(widths)

    n, total = len(x), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += kernel(x[i], x[j]) + kernel(y[i], y[j]) - kernel(x[i], y[j]) - kernel(x[j], y[i])
    return total / (n * (n - 1))


def test_agrees_with_the_formula_written_out():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 3)) + 0.5
    assert paired_mmd2(x, y, (0.7, 2.0)) == pytest.approx(naive_mmd2(x, y, (0.7, 2.0)))
    assert paired_mmd2(x, x, (1.0,)) == pytest.approx(0, abs=1e-12)
    assert np.isnan(paired_mmd2(x[:1], y[:1], (1.0,)))


def test_two_normals_have_the_known_distance():
    # Means d apart, covariance 1, kernel width w: 2 c (1 - exp(-d^2 / (2 (w^2 + 2)))), c = (w^2 / (w^2 + 2))^(D / 2).
    rng, d, w = np.random.default_rng(1), 1.5, 1.2
    x, y = rng.normal(size=(3000, 2)), rng.normal(size=(3000, 2)) + np.array([d, 0])
    factor = w**2 / (w**2 + 2)
    known = 2 * factor * (1 - np.exp(-(d**2) / (2 * (w**2 + 2))))
    assert paired_mmd2(x, y, (w,)) == pytest.approx(known, rel=0.05)
    assert abs(paired_mmd2(x, rng.normal(size=(3000, 2)), (w,))) < 0.002


def test_origin_scale_and_axes_are_nothing():
    rng = np.random.default_rng(2)
    retain, forget = rng.normal(size=(200, 4)) * [3, 2, 1, 0.5], rng.normal(size=(50, 4))
    turned = ortho_group.rvs(6, random_state=0)[:4]
    other = 7 * retain @ turned + 3
    there = standardised(7 * forget @ turned + 3, other, 6)
    np.testing.assert_allclose(carried(forget, retain, other), there, atol=1e-8)


def moved(model, change):
    parts = {n: replace(p, embedding=change(n, p.embedding).astype(np.float32)) for n, p in model.parts.items()}
    return ModelPredictions(**parts, head=model.head)


def test_it_is_nothing_for_a_turned_model_and_grows_with_what_only_the_forget_set_does(make_case):
    case = make_case("class", retrained=1)
    (target,) = case.retrained
    turned = ortho_group.rvs(8, random_state=1)

    def value(shift):
        judged = moved(target, lambda name, e: (e + (shift if name == "forget" else 0)) @ turned)
        return mmd_to_retrained(replace(case, model=judged), max_samples=200, draws=2)["mmd/forget_to_retrain"]

    near, mid, far = value(0.0), value(0.3), value(1.0)
    assert near == pytest.approx(0, abs=1e-6)
    assert near < mid < far
