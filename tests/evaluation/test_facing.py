from dataclasses import replace

import numpy as np
import pytest

from cu.evaluation.facing import facing, in_place, judge, judge_pairs, judge_reference, mean
from cu.metrics.case import Case
from cu.metrics.distribution.over_unlearning import OverUnlearning
from cu.metrics.drawn import Drawn, packed, unpacked
from cu.metrics.findings import Findings, Layers, Relearning, Segment, Stages, Weights
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.spec import metric


def fake(value):
    """A model whose predictions all say one number."""
    ids = np.array([1])
    one = Predictions(np.full((1, 2), value, np.float64), np.zeros((1, 1), np.float32), np.zeros(1, np.int64), ids)
    return ModelPredictions(one, one, one, one, one)


def said(model):
    return float(model.retain.logits[0, 0])


@metric(keys=("level",))
def level(case, /):
    return {"level": said(case.model)}


@metric(keys=("distance",), needs=("retrained",), identical=0.0)
def distance(case, /):
    assert case.model not in case.retrained, "a model is judged against itself"
    return {"distance": abs(said(case.model) - np.mean([said(model) for model in case.retrained]))}


@metric(keys=("speed",), needs=(Relearning,))
def speed(case, /):
    retrained = case.findings[Relearning].retrained
    return {"speed": float(retrained.sum()) if len(retrained) else float("nan")}


SUITE = {"distance": distance, "level": level}
VALUES = (0.1, 0.3, 0.8)


@pytest.fixture
def case():
    return Case(
        model=fake(0.5),
        retrained=tuple(map(fake, VALUES)),
        original=fake(1.0),
        scenario="sample",
        forget_classes=(),
        num_classes=2,
        retrained_cost=tuple({"steps": value} for value in VALUES),
    )


def test_a_model_is_judged_against_each_group_that_leaves_one_out(case):
    found = judge(SUITE, case)
    assert found["level"] == 0.5
    # Means of two: 0.55, 0.45, 0.2.
    assert found["distance"] == pytest.approx((0.05 + 0.05 + 0.3) / 3)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_retrained_model_is_judged_against_all_others_and_each_alone(case, number):
    own = in_place(case, case.retrained[number], None)
    rest = [value for i, value in enumerate(VALUES) if i != number]
    assert judge_reference(SUITE, own, number) == {
        "distance": pytest.approx(abs(VALUES[number] - np.mean(rest))),
        "level": VALUES[number],
    }
    expected = {i: {"distance": pytest.approx(abs(VALUES[number] - VALUES[i]))} for i in range(3) if i != number}
    assert judge_pairs(SUITE, own, number) == expected


def test_with_one_retrained_model_the_judged_one_faces_it_and_it_faces_none(case):
    single = facing(case, [1])
    assert judge(SUITE, single) == {"distance": pytest.approx(0.2), "level": 0.5}
    own = in_place(single, single.retrained[0], None)
    assert judge_reference(SUITE, own, 0) == {"distance": "skipped: needs retrained", "level": 0.3}
    assert judge_pairs(SUITE, own, 0) == {}


def test_all_that_a_case_holds_of_retrained_models_is_cut_alike(case):
    lines = tuple(Segment(value, np.zeros(3)) for value in VALUES)
    curves, activations = np.arange(3.0).reshape(3, 1, 1), tuple({"forget": [np.full(1, v)]} for v in VALUES)
    found = replace(
        case,
        findings=Findings.of(
            Relearning(np.array([0]), curves[0], curves, 1.0),
            Layers(activations[0], activations[0], activations),
            Stages((case.model,), (case.model,), tuple((model,) for model in case.retrained)),
            Weights(lines[0], lines),
            OverUnlearning(np.zeros((2, 2)), np.ones((2, 2))),
        ),
    )
    cut = facing(found, [2, 0])
    assert [said(model) for model in cut.retrained] == [0.8, 0.1]
    assert [cost["steps"] for cost in cut.retrained_cost] == [0.8, 0.1]
    assert cut.findings[Relearning].retrained.ravel().tolist() == [2, 0]
    assert [float(a["forget"][0][0]) for a in cut.findings[Layers].retrained] == [0.8, 0.1]
    assert [said(model) for (model,) in cut.findings[Stages].retrained] == [0.8, 0.1]
    assert [line.l2 for line in cut.findings[Weights].to_retrained] == [0.8, 0.1]
    assert cut.findings[OverUnlearning] is found.findings[OverUnlearning]
    # Each group leaves one of 0, 1, 2 out: sums 3, 2, 1.
    assert judge({"speed": speed}, found)["speed"] == 2
    assert np.isnan(judge_reference({"speed": speed}, facing(found, [1]), 0)["speed"])  # type: ignore[arg-type]


def test_means_keep_reasons_and_spreads():
    assert mean([1.0, 2.0]) == 1.5
    assert mean([1.0, "skipped: needs head"]) == "skipped: needs head"
    drawn = mean([Drawn(1, 0.2), Drawn(3, 0.4)])
    assert isinstance(drawn, Drawn)
    assert (drawn, drawn.std) == (2, pytest.approx(0.3))


def test_drawn_values_survive_a_file():
    values = {"a": Drawn(0.5, 0.25), "b": 1.0, "c": "skipped", "pairs": {"1": {"a": Drawn(2, 3)}}}
    again = unpacked(packed(values))
    assert again == values
    assert (again["a"].std, again["pairs"]["1"]["a"].std) == (0.25, 3)
    assert unpacked(None) is None
    assert unpacked({"a": {"mean": None, "std": None, "note": ""}}) == {"a": None}
