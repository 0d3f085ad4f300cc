from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.accuracy.accuracy import split_accuracies
from cu.metrics.representation import depths, neighbour_probes, probes
from cu.metrics.representation.probe_gap import probe_gap

LINEAR = {"max_train": 100, "draws": 2, "max_classes": 100}
FEW = {"max_per_class": 20, "draws": 2, "max_classes": 100}
NEAR = {"max_train": 100, "draws": 2}
ALL = {"max_train": 100, "max_per_class": 20, "draws": 2, "max_classes": 100}


def with_features(model, scale):
    """The model whose features are its embedding, squeezed along some directions."""
    parts = {
        name: replace(part, features=part.embedding * np.linspace(1, scale, part.embedding.shape[1], dtype=np.float32))
        for name, part in model.parts.items()
    }
    return replace(model, **parts)


@pytest.fixture
def case(make_case):
    built = make_case("class", retrained=2)
    return replace(
        built,
        model=with_features(built.model, 0.1),
        retrained=tuple(with_features(one, 0.5) for one in built.retrained),
    )


def test_it_is_half_of_the_mean_gap_of_eight_probes_and_half_of_that_of_two_accuracies(case):
    def metrics_of(model):
        judged, found = replace(case, model=model), {}
        for function, settings in (
            (probes.linear_probe, LINEAR),
            (probes.few_shot_probe, FEW),
            (neighbour_probes.neighbour_probes, NEAR),
            (depths.linear_probe_h, LINEAR),
            (depths.few_shot_probe_h, FEW),
            (depths.neighbour_probes_h, NEAR),
            (split_accuracies, {}),
        ):
            found |= function(judged, **settings)
        return found

    own, *others = map(metrics_of, (case.model, *case.retrained))

    def gap(key):
        return abs(own[key] - sum(other[key] for other in others) / len(others))

    names = ("linear_forget_test_acc", "fewshot10_forget_acc", "knn20_forget_test_acc", "ncm_forget_test_acc")
    eight = [gap(f"{where}/{name}") for where in ("probe", "probe_h") for name in names]
    two = [gap("forget_test_acc"), gap("retain_test_acc")]
    expected = (sum(eight) / 8 + sum(two) / 2) / 2
    assert expected > 0.005
    assert probe_gap(case, **ALL)["agg/probe_gap"] == pytest.approx(expected)


def test_a_retrained_model_of_which_there_is_one_is_nowhere_away_from_itself(case):
    one = replace(case, model=case.retrained[0], retrained=case.retrained[:1])
    assert probe_gap(one, **ALL)["agg/probe_gap"] == 0


def test_a_network_that_lost_everything_is_far_though_its_probes_may_be_near(case, make_predictions):
    test = case.model.test_retain
    wrong = replace(test, logits=-np.asarray(case.retrained[0].test_retain.logits))
    lost = replace(case, model=replace(case.retrained[0], test_retain=wrong), retrained=case.retrained[:1])
    assert probe_gap(lost, **ALL)["agg/probe_gap"] > 0.1
