from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ortho_group

from cu.evaluation.suite import measure
from cu.metrics.findings import DEPTHS, Findings, Layers
from cu.metrics.representation.layer_similarity import layers_to_original, layers_to_retrained
from cu.metrics.representation.similarity import linear_cka


def activations(seed, n=60):
    rng = np.random.default_rng(seed)
    return {name: [rng.normal(size=(n, 4 + depth)) for depth in range(DEPTHS)] for name in ("forget", "retain")}


def turned(model):
    return {
        name: [3 * x @ ortho_group.rvs(x.shape[1], random_state=0) + 7 for x in layers]
        for name, layers in model.items()
    }


@pytest.fixture
def seen(make_case):
    return lambda *models, **case: replace(
        make_case(**case), findings=Findings.of(Layers(models[0], models[1], models[2:]))
    )


def test_a_rotated_model_is_the_same_at_every_depth(seen):
    model = activations(0)
    case = seen(model, turned(model), turned(model))
    for function in (layers_to_original, layers_to_retrained):
        assert function(case) == pytest.approx(dict.fromkeys(function.spec.keys, 1.0), abs=1e-9)


def test_each_key_is_its_own_depth_and_images(seen):
    judged, original = activations(0), activations(0)
    original["retain"][2] = np.random.default_rng(9).normal(size=(60, 5))
    values = layers_to_original(seen(judged, original))
    (changed,) = (key for key, value in values.items() if value < 0.99)
    assert changed == "cka/layer3_retain_to_original"
    assert values[changed] == pytest.approx(linear_cka(judged["retain"][2], original["retain"][2]))
    assert abs(values[changed]) < 0.2


def test_mean_over_retrained_models(seen):
    judged, first, second = activations(0), activations(0), activations(1)
    values = layers_to_retrained(seen(judged, activations(2), first, second))
    expected = (1 + linear_cka(judged["forget"][4], second["forget"][4])) / 2
    assert values["cka/layer5_forget_to_retrain"] == pytest.approx(expected)


def test_skipped_without_the_audit_or_another_retrained_model(seen, make_case):
    metrics = {"a": layers_to_original, "b": layers_to_retrained}
    assert set(measure(metrics, make_case()).values()) == {"skipped: needs layers"}
    alone = measure(metrics, seen(activations(0), activations(0), retrained=0))
    assert alone["cka/layer1_forget_to_retrain"] == "skipped: needs retrained"
    assert alone["cka/layer1_forget_to_original"] == pytest.approx(1)


def test_constant_layers_and_few_images_are_undefined(seen):
    flat = {name: [np.ones((60, 3))] * DEPTHS for name in ("forget", "retain")}
    assert np.isnan(list(layers_to_original(seen(flat, flat)).values())).all()
    assert np.isnan(list(layers_to_original(seen(activations(0, n=3), activations(1, n=3))).values())).all()
