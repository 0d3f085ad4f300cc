from dataclasses import replace

import numpy as np
import pytest

from cu.evaluation.suite import measure
from cu.metrics.predictions import ModelPredictions
from cu.metrics.representation.depths import feature_key, linear_probe_h, mmd_to_retrained_h, neighbour_probes_h
from cu.metrics.representation.discrepancy import mmd_to_retrained
from cu.metrics.representation.neighbour_probes import neighbour_probes
from cu.metrics.representation.probes import linear_probe


def with_features(model, change):
    """The model whose features are `change` of its embedding (the same array if it says so)."""
    parts = {name: replace(part, features=change(part.embedding)) for name, part in model.parts.items()}
    return ModelPredictions(**parts, head=model.head)


def with_features_everywhere(case, change):
    return replace(
        case,
        model=with_features(case.model, change),
        retrained=tuple(with_features(one, change) for one in case.retrained),
        original=with_features(case.original, change),
    )


def informative(make_case, change):
    """A class case whose embeddings tell nothing of the class and whose features tell all."""
    case = make_case("class", num_classes=4, retrained=2)

    def shown(model):
        parts = {
            name: replace(p, features=change(np.eye(4, dtype=np.float32)[p.label])) for name, p in model.parts.items()
        }
        return ModelPredictions(**parts, head=model.head)

    return replace(
        case, model=shown(case.model), retrained=tuple(map(shown, case.retrained)), original=shown(case.original)
    )


def test_probes_of_features_find_what_the_embedding_has_lost(make_case):
    case = informative(make_case, lambda features: 5 * features)
    assert linear_probe(case, max_train=400, draws=2, max_classes=100)["probe/linear_forget_test_acc"] < 0.5
    assert linear_probe_h(case, max_train=400, draws=2, max_classes=100)["probe_h/linear_forget_test_acc"] == 1
    assert neighbour_probes_h(case, max_train=400, draws=2) == {
        "probe_h/knn20_forget_test_acc": 1,
        "probe_h/ncm_forget_test_acc": 1,
    }


def test_where_both_are_the_same_array_values_are_the_same_and_nothing_is_computed_twice(make_case):
    case = with_features_everywhere(make_case("class", retrained=2), lambda embedding: embedding)
    few = {"max_train": 100, "draws": 2}
    for plain, deeper, settings in (
        (linear_probe, linear_probe_h, {**few, "max_classes": 100}),
        (neighbour_probes, neighbour_probes_h, few),
    ):
        found, again = plain(case, **settings), deeper(case, **settings)
        assert {feature_key(key): value for key, value in found.items()} == again
        assert all(again[feature_key(key)] is value for key, value in found.items())


def test_the_embedding_of_another_case_of_the_same_model_is_not_recalled(make_case):
    case = make_case("class", retrained=2)
    first = mmd_to_retrained(case, max_samples=50, draws=2)
    fewer = mmd_to_retrained(replace(case, retrained=case.retrained[:1]), max_samples=50, draws=2)
    other_seed = mmd_to_retrained(replace(case, seed=9), max_samples=50, draws=2)
    assert first != fewer
    assert first != other_seed


def test_taking_samples_keeps_what_is_the_same_the_same(make_predictions):
    part = make_predictions(np.zeros((4, 2)), [0, 1, 0, 1], embedding=np.arange(8).reshape(4, 2))
    same = replace(part, features=part.embedding).take(np.array([2, 0]))
    assert same.features is same.embedding
    assert replace(part, features=part.embedding + 1).take(np.array([2, 0])).features.tolist() == [[5, 6], [1, 2]]
    assert part.take(np.array([1])).features is None


@pytest.mark.parametrize("lacking", ["model", "original", "retrained"])
def test_without_features_of_every_model_it_is_skipped(make_case, lacking):
    case = with_features_everywhere(make_case("class"), lambda embedding: 2 * embedding)
    plain = make_case("class")
    metrics = {"mmd": lambda case: mmd_to_retrained_h(case, max_samples=50, draws=2)}
    metrics["mmd"].spec = mmd_to_retrained_h.spec
    assert isinstance(measure(metrics, case)["mmd_h/forget_to_retrain"], float)
    found = measure(metrics, replace(case, **{lacking: getattr(plain, lacking)}))
    assert found == {"mmd_h/forget_to_retrain": "skipped: needs features"}
