import numpy as np
import pytest

from cu.engine.outputs import halved
from cu.metrics.representation.probes import LINEAR_C, logistic_probe
from cu.metrics.representation.similarity import linear_cka


def embeddings(offset, spread):
    rng = np.random.default_rng(0)
    label = rng.integers(4, size=800)
    signal = np.eye(4, 16)[label] * 2 + rng.normal(size=(800, 16))
    return (offset + spread * signal).astype(np.float32), label


@pytest.mark.parametrize(("offset", "spread"), [(0, 1), (1, 1), (1000, 0.1), (30, 0.01), (0, 1e-6), (1e5, 1)])
def test_what_is_stored_gives_the_same_probe_and_the_same_similarity(offset, spread):
    exact, label = embeddings(offset, spread)
    stored = halved(exact).astype(np.float32)
    half = np.arange(800) % 2 == 0
    accuracy = [
        logistic_probe(LINEAR_C).fit(x[half], label[half]).score(x[~half], label[~half]) for x in (exact, stored)
    ]
    assert accuracy[1] == pytest.approx(accuracy[0], abs=1e-3)
    assert linear_cka(exact, stored) == pytest.approx(1, abs=1e-3)


def test_ordinary_features_are_halved_and_those_that_would_lose_their_spread_are_not():
    assert halved(embeddings(0, 1)[0]).dtype == np.float16
    assert halved(np.maximum(embeddings(0, 1)[0], 0)).dtype == np.float16
    assert halved(embeddings(1000, 0.1)[0]).dtype == np.float32
    assert halved(np.full((5, 2), 1e6, np.float32)).dtype == np.float32
    # One such feature among others is enough.
    mixed = np.column_stack([embeddings(0, 1)[0], embeddings(1000, 0.1)[0]])
    assert halved(mixed).dtype == np.float32


def test_features_without_any_spread_and_no_samples():
    assert halved(np.zeros((5, 2), np.float32)).dtype == np.float16
    assert halved(np.empty((0, 3), np.float32)).dtype == np.float16
    # A constant that float16 has not is a constant there too.
    assert halved(np.full((5, 2), 0.1, np.float32)).dtype == np.float32
