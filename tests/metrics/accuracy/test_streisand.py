from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from cu.metrics import primitives
from cu.metrics.accuracy import streisand


def test_tail_rate_of_the_same_and_of_higher_values():
    values = np.random.default_rng(0).random(1000)
    assert streisand.tail_rate(values, values) == 0.01
    assert streisand.tail_rate(values + 1, values) == 1
    assert streisand.tail_rate(values - 1, values) == 0
    assert np.isnan(streisand.tail_rate([], []))


def test_a_retrained_model_is_not_visible(make_case, make_model):
    model = make_model(sizes={"forget": 1000})
    case = make_case(model=model, retrained=(model,))
    assert streisand.entropy_tail(case)["streisand/tail_rate"] == 0.01
    assert set(streisand.entropy_distance(case).values()) == {0.0}
    assert streisand.entropy_visibility(case, draws=3)["streisand/entropy_auc"] == pytest.approx(0.5, abs=0.1)


def test_uniform_outputs_are_visible(make_case, make_model, make_predictions):
    model = make_model()
    flat = replace(model, forget=make_predictions(np.zeros((200, 4)), model.forget.label, int(model.forget.id[0])))
    case = make_case(model=flat)
    assert streisand.entropy_tail(case)["streisand/tail_rate"] == 1
    assert streisand.entropy_visibility(case, draws=3)["streisand/entropy_auc"] == 1
    assert primitives.entropy(flat.forget.logits).mean() == pytest.approx(np.log(4))
    expected = np.log(4) - primitives.entropy(case.retrained[0].forget.logits).mean()
    found = streisand.entropy_distance(case)
    assert found == {"streisand/entropy_w1": pytest.approx(expected), "streisand/entropy_ks": 1}


def test_wasserstein_distance_of_shifted_entropies(make_case, make_model, make_predictions):
    def two_classes(entropies):
        grid = np.linspace(0, 40, 400_001)
        table = primitives.entropy(np.column_stack([grid, np.zeros_like(grid)]))
        z = grid[np.searchsorted(-table, -np.asarray(entropies))]
        return make_predictions(np.column_stack([z, np.zeros_like(z)]), np.zeros(len(z), int))

    x = np.random.default_rng(1).uniform(0.01, 0.3, 300)
    base = make_model(num_classes=2)
    case = make_case(
        model=replace(base, forget=two_classes(x + 0.37)),
        retrained=(replace(base, forget=two_classes(x)),),
        num_classes=2,
    )
    assert streisand.entropy_distance(case)["streisand/entropy_w1"] == pytest.approx(0.37, abs=1e-3)


def test_empty_sides_are_nan(make_case):
    case = make_case("class", sizes={"test_forget": 0, "forget": 0})
    every = (
        partial(streisand.entropy_visibility, draws=2),
        streisand.entropy_tail,
        streisand.entropy_distance,
        streisand.prediction_share,
    )
    for metric in every:
        assert np.isnan(list(metric(case).values())).all()


def test_the_largest_share_of_one_answer(make_case, make_model, make_predictions):
    base = make_model("class")
    for answers, share in (([0] * 7 + [1] * 2 + [2], 0.7), ([1] * 10, 1.0), ([0, 1, 2, 3], 0.25)):
        forget = make_predictions(np.eye(4)[answers], np.full(len(answers), 3))
        case = make_case("class", model=replace(base, forget=forget))
        assert streisand.prediction_share(case)["streisand/pred_share_max"] == share
