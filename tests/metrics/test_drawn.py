import copy
import pickle

import numpy as np
import pytest

from cu.evaluation.suite import measure
from cu.metrics.drawn import Drawn, averaged, drawn, packed, unpacked
from cu.metrics.notes import saturated, tpr_at
from cu.metrics.primitives import tpr_at_fpr
from cu.metrics.spec import metric


def test_a_number_that_survives_copies_and_counts_as_one():
    number = Drawn(0.25, 0.1, "few")
    assert number * 2 == 0.5
    for same in (copy.deepcopy(number), pickle.loads(pickle.dumps(number))):
        assert (same, same.std, same.note) == (0.25, 0.1, "few")


def test_the_mean_of_draws_and_its_standard_error():
    rng = np.random.default_rng(0)
    means = [drawn(list(rng.normal(3, 2, size=25))) for _ in range(400)]
    assert np.std(means) == pytest.approx(2 / 5, rel=0.15)
    assert np.mean([m.std for m in means]) == pytest.approx(2 / 5, rel=0.1)
    assert np.isnan(drawn([1.0, float("nan")]))


def test_draws_have_numbers_and_one_draw_is_left_as_it_is():
    assert averaged(3, lambda number: {"a": float(number)})["a"] == 1
    assert averaged(1, lambda number: {"a": 7.0}) == {"a": 7.0}


def test_packing_and_back():
    values = {"a": Drawn(0.5, 0.1), "b": {"c": Drawn(float("nan"), 0, "at chance"), "d": 2.0, "e": "skipped"}}
    back = unpacked(packed(values))
    assert (back["a"], back["a"].std) == (0.5, 0.1)
    assert np.isnan(back["b"]["c"])
    assert back["b"]["c"].note == "at chance"
    assert back["b"]["d"] == 2.0
    assert back["b"]["e"] == "skipped"
    # JSON has no NaN: a file gives None.
    assert unpacked({"mean": None, "std": 0.0, "note": ""}) is None
    assert unpacked({"mean": None, "std": None, "note": "why"}).note == "why"


def test_measuring_keeps_what_a_number_carries(make_case):
    @metric(keys=("x", "y"))
    def two(case, /):
        return {"x": Drawn(1, 0.5, "n"), "y": np.float32(2)}

    found = measure({"two": two}, make_case())
    assert (found["x"].std, found["x"].note) == (0.5, "n")
    assert type(found["y"]) is float


def test_a_value_at_the_end_of_its_scale_says_so():
    assert saturated(0.9, 36) == 0.9
    assert not hasattr(saturated(0.98, 36), "note")
    assert saturated(0.99, 36).note == "saturated: 36 samples cannot tell it from 1"
    assert not hasattr(saturated(0.0, 36), "note")
    assert saturated(Drawn(0.0, 0.1), 36, low=0.0).std == 0.1
    assert np.isnan(saturated(float("nan"), 36))
    assert saturated(Drawn(float("nan"), note="why"), 36).note == "why"


def test_a_rate_at_another_false_positive_rate_than_its_name_says_so():
    rng = np.random.default_rng(0)
    members, few, many = rng.normal(size=50) + 2, rng.normal(size=36), rng.normal(size=1000)
    assert tpr_at(members, few, 0.01) == tpr_at_fpr(members, few, 0.01)
    assert tpr_at(members, few, 0.01).note == "at a false-positive rate of 0 of 36, not 0.01"
    assert not hasattr(tpr_at(members, many, 0.01), "note")
