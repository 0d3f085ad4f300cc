"""What must hold for all metrics of representation and leakage at once, on small synthetic models."""

import inspect
from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.accuracy.calibration import calibration, forget_calibration, out_of_distribution
from cu.metrics.accuracy.class_leakage import class_membership, class_profile
from cu.metrics.case import Case
from cu.metrics.distribution.loss_distributions import margin_distance
from cu.metrics.distribution.two_sample import two_sample_test
from cu.metrics.drawn import Drawn
from cu.metrics.membership.strong_membership import lira_offline, rmia
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.relearning.curve import head_recovery, prototype_relearning
from cu.metrics.representation.class_probes import binary_probe, few_shot_sweep
from cu.metrics.representation.geometry import forget_geometry, retained_spread
from cu.metrics.representation.neighbour_probes import neighbour_probes
from cu.metrics.representation.neural_collapse import collapse
from cu.metrics.representation.probes import few_shot_probe, linear_probe, member_probe
from cu.metrics.representation.similarity import cka_shift, cka_to_original, cka_to_retrained

pytestmark = pytest.mark.slow  # trains probes
SUITE = {
    cka_to_retrained: {"max_samples": 40, "draws": 2},
    cka_to_original: {"max_samples": 40, "draws": 2},
    cka_shift: {"max_samples": 40, "draws": 2},
    linear_probe: {"max_train": 100, "draws": 2, "max_classes": 100},
    few_shot_probe: {"max_per_class": 50, "draws": 2, "max_classes": 100},
    neighbour_probes: {"max_train": 100, "draws": 2},
    member_probe: {"max_train": 1000, "draws": 2},
    forget_geometry: {"max_samples": 500},
    collapse: {},
    retained_spread: {"max_samples": 100, "draws": 2},
    few_shot_sweep: {"max_per_class": 50, "draws": 2},
    binary_probe: {"max_train": 1000, "draws": 2},
    margin_distance: {"permutations": 99},
    forget_calibration: {"bins": 15},
    out_of_distribution: {},
    prototype_relearning: {"mix": 0.5, "draws": 3},
    head_recovery: {"shots": 5, "max_per_class": 50, "draws": 2},
    rmia: {"gamma": 1.0, "offline_a": 0.3, "draws": 2},
    lira_offline: {"draws": 2},
    class_profile: {},
    class_membership: {"max_train": 100, "draws": 2, "max_classes": 100},
    calibration: {"bins": 15},
    two_sample_test: {"max_samples": 100, "draws": 2},
}
CLASSES, DIMS, FORGET = 5, 24, 3
SPLITS = ("retain", "forget", "val", "test_retain", "test_forget")


def images(rng, scenario, scale=1.0):
    """Latent images and labels of every split; ids never repeat."""
    sizes = {"retain": 80, "forget": 40, "val": 10, "test_retain": 40, "test_forget": 40}
    centres, first, splits = rng.normal(size=(CLASSES, 12)) * 2, 0, {}
    for name, size in sizes.items():
        per_class = max(1, int(size * scale))
        if scenario == "class":
            kept = {"forget": [FORGET], "test_forget": [FORGET], "val": range(CLASSES)}
            classes = list(kept.get(name, [c for c in range(CLASSES) if c != FORGET]))
        else:
            classes = [] if name == "test_forget" else list(range(CLASSES))
            per_class = max(1, per_class // 2) if name == "forget" else per_class
        label = np.repeat(np.array(classes, dtype=np.int64), per_class)
        splits[name] = centres[label] + rng.normal(size=(len(label), 12)), label, np.arange(first, first + len(label))
        first += len(label)
    return splits


def model(rng, splits, trained_on, *, mask=False):
    """A random nonlinear encoder with a head of class means, fitted on `trained_on`."""
    first = rng.normal(size=(12, DIMS)) / 3
    embeddings = {
        name: (np.tanh(x @ first) + 0.05 * rng.normal(size=(len(x), DIMS))).astype(np.float32)
        for name, (x, _, _) in splits.items()
    }
    x = np.concatenate([embeddings[name] for name in trained_on])
    y = np.concatenate([splits[name][1] for name in trained_on])
    weight, bias = np.zeros((CLASSES, DIMS)), np.full(CLASSES, -30.0)
    for c in np.unique(y):
        mean = x[y == c].mean(axis=0)
        weight[c], bias[c] = mean, -mean @ mean / 2
    parts = {}
    for name, (_, label, ids) in splits.items():
        logits = (embeddings[name] @ weight.T + bias).astype(np.float32)
        if mask:
            logits[:, FORGET] = -1e4
        parts[name] = Predictions(logits, embeddings[name], label, ids)
    return ModelPredictions(**parts, head=(weight.astype(np.float32), bias.astype(np.float32)))


def make(scenario, judged, *, scale=1.0, seed=0):
    """A case whose judged model is `original`, `masked`, `retrained` (a third one) or `identical` (to the target)."""
    splits = images(np.random.default_rng(seed), scenario, scale)
    both, kept = ("retain", "forget"), ("retain",)
    original = model(np.random.default_rng(10), splits, both)
    targets = tuple(model(np.random.default_rng(s), splits, kept) for s in (20, 21))
    models = {
        "original": original,
        "masked": model(np.random.default_rng(10), splits, both, mask=True),
        "retrained": model(np.random.default_rng(22), splits, kept),
        "identical": targets[0],
    }
    return Case(
        model=models[judged],
        retrained=targets[:1] if judged == "identical" else targets,
        original=original,
        scenario=scenario,
        forget_classes=(FORGET,) if scenario == "class" else (),
        num_classes=CLASSES,
    )


def values(case):
    found = {}
    for function, settings in SUITE.items():
        if case.scenario in function.spec.scenarios:
            found |= function(case, **settings)
    return found


def test_declared_keys_are_unique_and_settings_complete():
    keys = [key for function in SUITE for key in function.spec.keys]
    assert len(keys) == len(set(keys))
    for function, settings in SUITE.items():
        own = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
        assert {p.name for p in own} == set(settings)
        assert all(p.default is p.empty for p in own)


@pytest.mark.parametrize("scenario", ["class", "sample"])
@pytest.mark.parametrize("judged", ["original", "retrained"])
def test_every_key_has_a_number(scenario, judged):
    case = make(scenario, judged)
    for function, settings in SUITE.items():
        if scenario in function.spec.scenarios:
            found = function(case, **settings)
            assert tuple(found) == function.spec.keys
            assert all(type(value) in (float, Drawn) for value in found.values())
            assert np.isfinite(list(found.values())).all(), found


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_a_retrained_model_is_at_its_own_target(scenario):
    found = values(make(scenario, "identical"))
    assert found["cka/forget_to_retrain"] == pytest.approx(1, abs=1e-9)
    assert found["mia/lira_off_auc"] == 0.5
    assert found["c2st/forget_auc"] == 0.5
    if scenario == "class":
        assert {found[key] for key in found if key.startswith("cmia/")} == {0.0}


def test_a_mask_on_the_forget_logit_deceives_no_metric_of_the_representation():
    original, masked = values(make("class", "original")), values(make("class", "masked"))
    same = [key for key in original if key.split("/")[0] in ("probe", "geom", "cka", "relearn", "cmia", "c2st")]
    assert {key: masked[key] for key in same} == {key: original[key] for key in same}
    assert masked["cka/forget_to_original"] == pytest.approx(1, abs=1e-9)
    assert masked["cka/shift"] < 0
    assert masked["probe/linear_forget_test_acc"] > 0.9
    assert masked["relearn/proto5_forget_test_acc"] > 0.8
    assert np.isfinite(list(masked.values())).all()


def test_the_original_is_where_it_was():
    found = values(make("class", "original"))
    assert found["geom/own_centroid_cos"] > 0.8
    assert found["geom/escape_rate"] < 0.1
    assert found["cka/retain_to_original"] == pytest.approx(1, abs=1e-9)


def test_a_rotation_of_the_judged_embedding_moves_no_geometry():
    case = make("class", "original")
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(DIMS, DIMS)))
    turned = {
        name: replace(getattr(case.model, name), embedding=3 * getattr(case.model, name).embedding @ q)
        for name in SPLITS
    }
    rotated = replace(case, model=ModelPredictions(**turned))
    for function in (forget_geometry, collapse, cka_shift, cka_to_original, neighbour_probes):
        expected = function(case, **SUITE[function])
        assert function(rotated, **SUITE[function]) == pytest.approx(expected, abs=1e-5)


def test_forget_samples_moved_onto_another_class_escape():
    case = make("sample", "retrained")
    other = {
        c: case.model.retain.embedding[case.model.retain.label == (c + 1) % CLASSES].mean(axis=0)
        for c in range(CLASSES)
    }
    moved = np.stack([other[c] for c in case.model.forget.label])
    judged = replace(case.model, forget=replace(case.model.forget, embedding=moved))
    found = forget_geometry(replace(case, model=judged), max_samples=500)
    assert found["geom/escape_rate"] == 1
    assert found["geom/nearest_retained_cos"] > 0.95
    assert found["geom/own_centroid_cos"] < found["geom/nearest_retained_cos"]


def test_without_an_original_the_centroid_of_a_forgotten_class_is_unknown():
    found = forget_geometry(replace(make("class", "retrained"), original=None), max_samples=500)
    assert np.isnan(found["geom/own_centroid_cos"])
    assert np.isnan(found["geom/escape_rate"])
    assert np.isfinite(found["geom/nearest_retained_cos"])


def test_memorised_embeddings_are_found_by_the_membership_probe():
    case = make("sample", "original")
    marked = case.model.forget.embedding + 0.5
    judged = replace(case.model, forget=replace(case.model.forget, embedding=marked))
    assert member_probe(replace(case, model=judged), max_train=1000, draws=3)["probe/member_auc"] > 0.95
    assert 0.3 < member_probe(case, max_train=1000, draws=3)["probe/member_auc"] < 0.7


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_same_case_same_numbers(scenario):
    assert values(make(scenario, "retrained")) == values(make(scenario, "retrained"))


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_splits_of_one_image_per_class_raise_nothing(scenario):
    tiny, usual = (values(make(scenario, "retrained", scale=scale)) for scale in (0.01, 1))
    assert tiny.keys() == usual.keys()


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_no_forget_sample_at_all_is_undefined_and_never_zero(scenario):
    case, none = make(scenario, "retrained"), np.array([], dtype=np.int64)

    def bare(judged):
        return replace(judged, forget=judged.forget.take(none), test_forget=judged.test_forget.take(none))

    case = replace(
        case, model=bare(case.model), original=bare(case.original), retrained=tuple(bare(m) for m in case.retrained)
    )
    found = values(case)
    without = ("calib/retain", "geom/nc1", "geom/retain", "cka/retain", "probe/linear_retain")
    assert all(np.isnan(value) for key, value in found.items() if not key.startswith(without)), found


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_collapsed_features_raise_nothing(scenario):
    case = make(scenario, "retrained")
    parts = {
        name: replace(
            getattr(case.model, name),
            embedding=np.full_like(getattr(case.model, name).embedding, 0.1),
            logits=np.zeros_like(getattr(case.model, name).logits),
        )
        for name in SPLITS
    }
    found = values(replace(case, model=ModelPredictions(**parts, head=case.model.head)))
    assert np.isnan(found["cka/forget_to_retrain"])
    assert np.isnan(found["geom/nc1"])
    assert found["geom/forget_dispersion"] == pytest.approx(1)


def test_two_classes_are_enough():
    case = make("class", "retrained")

    def two(judged):
        def cut(part):
            return replace(part.take(part.label >= FORGET), label=part.label[part.label >= FORGET] - FORGET)

        narrowed = {name: cut(getattr(judged, name)) for name in SPLITS}
        narrowed = {name: replace(part, logits=part.logits[:, FORGET:]) for name, part in narrowed.items()}
        return ModelPredictions(**narrowed, head=(judged.head[0][FORGET:], judged.head[1][FORGET:]))

    small = Case(
        model=two(case.model),
        retrained=tuple(two(m) for m in case.retrained),
        original=two(case.original),
        scenario="class",
        forget_classes=(0,),
        num_classes=2,
    )
    found = values(small)
    assert np.isfinite(found["probe/linear_forget_test_acc"])
    assert np.isnan(found["cmia/gap_nn"])  # one retained class has nothing to be told from


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_raise(bad):
    case = make("class", "retrained")
    broken = case.model.forget.embedding.copy()
    broken[:, 2] = bad
    judged = replace(case.model, forget=replace(case.model.forget, embedding=broken))
    for function in (cka_to_retrained, linear_probe, neighbour_probes, forget_geometry):
        with pytest.raises(ValueError, match=r"finite|NaN|infinity"):
            function(replace(case, model=judged), **SUITE[function])
