from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from cu.metrics.representation.class_probes import binary_probe, few_shot_sweep
from cu.metrics.representation.probes import few_shot_probe

SETTINGS = {"max_per_class": 60, "draws": 3}


@pytest.fixture
def known(make_case):
    """`(distance) -> Case` in which the classes lie as far apart as asked on axes of the embedding."""

    def build(distance):
        case, rng = make_case("class"), np.random.default_rng(0)

        def placed(part):
            noise = rng.normal(size=(len(part), 8))
            return replace(part, embedding=(noise + distance * np.eye(8)[part.label]).astype(np.float32))

        names = ("retain", "forget", "test_retain", "test_forget")
        return replace(case, model=replace(case.model, **{n: placed(getattr(case.model, n)) for n in names}))

    return build


def test_separable_classes_need_few_images_and_noise_is_never_enough(known):
    apart, noise = few_shot_sweep(known(30.0), **SETTINGS), few_shot_sweep(known(0.0), **SETTINGS)
    assert set(apart.values()) == {1.0}
    # 1, 5 or 50 of a class among three with 60 each: at chance the probe hardly ever names it.
    assert noise["probe/fewshot1_forget_acc"] <= noise["probe/fewshot50_forget_acc"] < 0.4


def test_more_images_find_more(known):
    case = known(2.5)
    found = few_shot_sweep(case, **SETTINGS) | few_shot_probe(case, **SETTINGS, max_classes=100)
    curve = [found[f"probe/fewshot{n}_forget_acc"] for n in (1, 5, 10, 50)]
    assert curve == sorted(curve)
    assert curve[-1] > curve[0] + 0.2


def test_binary_probe_equals_scikit_learn(known):
    case = known(1.5)
    model = case.model
    x = np.concatenate([model.retain.embedding, model.forget.embedding]).astype(float)
    y = np.repeat([0, 1], [len(model.retain), len(model.forget)])
    scaler = StandardScaler().fit(x)
    oracle = LogisticRegression(class_weight="balanced", tol=1e-8, max_iter=5000).fit(scaler.transform(x), y)
    test = np.concatenate([model.test_retain.embedding, model.test_forget.embedding]).astype(float)
    label = np.repeat([0, 1], [len(model.test_retain), len(model.test_forget)])
    expected = roc_auc_score(label, oracle.decision_function(scaler.transform(test)))
    assert binary_probe(case, max_train=5000, draws=2)["probe/binary_auc"] == pytest.approx(expected, abs=1e-3)


def test_nothing_forgotten_is_undefined(make_case):
    case = make_case("class", sizes={"forget": 0, "test_forget": 0})
    assert np.isnan(binary_probe(case, max_train=100, draws=2)["probe/binary_auc"])
    assert np.isnan(list(few_shot_sweep(case, **SETTINGS).values())).all()
