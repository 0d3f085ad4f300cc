import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from cu.engine.outputs import score
from cu.evaluation.cases import by_split, left_out, of_ids
from cu.evaluation.suite import compare, measure, rank_p
from cu.metrics.case import Case, ModelPredictions, Predictions
from cu.metrics.spec import metric


def predictions(ids, label=None):
    ids = np.array(ids, dtype=np.int64)
    logits = np.stack([ids, ids * 2], axis=1).astype(np.float32)
    return Predictions(logits, logits[:, :1] / 10, np.zeros_like(ids) if label is None else np.array(label), ids)


@pytest.mark.parametrize("wanted", [[3, 9, 5], [5], [], [9, 3], [3, 3]])
def test_predictions_come_in_the_order_of_the_ids(wanted):
    found = of_ids(predictions([9, 3, 7, 5]), np.array(wanted, dtype=np.int64))
    assert found.id.tolist() == wanted
    assert found.logits[:, 1].tolist() == [2 * i for i in wanted]


@pytest.mark.parametrize(("known", "wanted"), [([9, 3, 7], [3, 4]), ([9, 3, 7], [99]), ([9, 3, 7], [-1]), ([2], [1])])
def test_samples_without_a_prediction_are_an_error(known, wanted):
    with pytest.raises(ValueError, match="no prediction"):
        of_ids(predictions(known), np.array(wanted))


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_scores_are_cut_into_the_splits_of_the_task(original, toy_data, toy_tasks, hardware, scenario):
    task = toy_tasks[scenario]
    parts = by_split(score(original, toy_data, hardware), task)
    expected = {
        "retain": task.retain.ids,
        "forget": task.forget.ids,
        "val": task.val.ids,
        "test_forget": task.test_forget.ids,
    }
    for name, ids in expected.items():
        assert getattr(parts, name).id.tolist() == ids.tolist(), name
    assert sorted([*parts.test_retain.id, *parts.test_forget.id]) == sorted(task.test.ids.tolist())
    assert not set(parts.test_retain.label) & set(task.forget_classes)
    assert set(parts.retain.id).isdisjoint(parts.forget.id)
    assert len(parts.retain) + len(parts.forget) == len(toy_data.train)


def test_scores_are_the_models_outputs(original, toy_data, toy_tasks, hardware):
    parts = by_split(score(original, toy_data, hardware), toy_tasks["class"])
    forget = toy_tasks["class"].forget
    with torch.no_grad():
        output = original(forget.eval_view(torch.arange(len(forget))))
    np.testing.assert_allclose(parts.forget.logits, output.logits.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(parts.forget.embedding, output.embedding.numpy(), atol=1e-3)
    assert parts.forget.embedding.dtype == np.float32
    np.testing.assert_array_equal(parts.forget.label, forget.labels.numpy())
    assert parts.head is not None
    np.testing.assert_array_equal(parts.head[0], original.head.classifier.weight.detach().numpy())


def test_huge_embeddings_stay_finite(original, toy_data, toy_tasks, hardware, make_run, make_model):
    wrecked = make_run(build=lambda: make_model("linear")).new_model().eval()
    with torch.no_grad():
        wrecked.encoder[1].weight.mul_(1e7)
    parts = by_split(score(wrecked, toy_data, hardware), toy_tasks["class"])
    assert np.isfinite(parts.forget.embedding).all()
    assert parts.forget.embedding.max() > np.finfo(np.float16).max


def test_an_empty_validation_split_has_empty_scores(original, toy_data, toy_tasks, hardware):
    none = toy_data.val.subset(torch.tensor([], dtype=torch.long))
    arrays = score(original, replace(toy_data, val=none), hardware)
    parts = by_split(arrays, replace(toy_tasks["class"], val=none))
    assert len(parts.val) == 0
    assert parts.val.logits.shape == (0, 4)


def fake(value):
    """A model whose predictions all say one number."""
    one = replace(predictions([1]), logits=np.full((1, 2), value, np.float32))
    return ModelPredictions(one, one, one, one, one)


@metric(keys=("level", "twice"), direction="higher", version=3)
def level(case, /):
    value = float(case.model.retain.logits[0, 0])
    return {"level": value, "twice": 2 * value}


@metric(keys=("distance",), needs=("retrained",))
def distance(case, /, *, scale=1.0):
    others = [float(model.retain.logits[0, 0]) for model in case.retrained]
    return {"distance": scale * (float(case.model.retain.logits[0, 0]) - sum(others) / len(others))}


@metric(keys=("undefined",))
def undefined(case, /):
    return {"undefined": math.nan}


@metric(keys=("class_only",), scenarios=("class",))
def class_only(case, /):
    return {"class_only": 1.0}


@metric(keys=("paid",), needs=("cost", "head"))
def paid(case, /):
    return {"paid": case.cost["unlearn_seconds"]}


SUITE = {"level": level, "distance": partial(distance, scale=10.0), "undefined": undefined, "class": class_only}


@pytest.fixture
def case():
    return Case(
        model=fake(0.5),
        retrained=(fake(0.1), fake(0.3), fake(0.8)),
        original=fake(1.0),
        scenario="sample",
        forget_classes=(),
        num_classes=2,
        cost={"unlearn_seconds": 1.0},
        retrained_cost=({"unlearn_seconds": 10.0}, {"unlearn_seconds": 20.0}, {"unlearn_seconds": 30.0}),
    )


def test_every_key_has_a_value_or_a_reason(case):
    values = measure({**SUITE, "paid": paid}, case)
    assert values["level"] == 0.5
    assert values["twice"] == 1.0
    assert values["distance"] == pytest.approx(10 * (0.5 - 0.4))
    assert math.isnan(values["undefined"])  # type: ignore[arg-type]
    assert values["class_only"] == "skipped: only for class scenarios"
    assert values["paid"] == "skipped: needs head"


def test_missing_needs_are_all_named(case):
    bare = replace(case, retrained=(), cost=None)
    values = measure({**SUITE, "paid": paid}, bare)
    assert values["distance"] == "skipped: needs retrained"
    assert values["paid"] == "skipped: needs cost and head"


@pytest.mark.parametrize("keys", [("a",), ("a", "b", "c"), ("a", "x")])
def test_a_metric_that_breaks_its_promise_is_an_error(case, keys):
    @metric(keys=("a", "b"))
    def liar(case, /):
        return dict.fromkeys(keys, 0.0)

    with pytest.raises(AssertionError, match="metric liar promised"):
        measure({"liar": liar}, case)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_retrained_model_is_judged_against_the_others(case, position):
    costs = list(case.retrained_cost)
    alone = left_out(case, position, case.retrained[position], costs)
    values = (0.1, 0.3, 0.8)
    others = [v for i, v in enumerate(values) if i != position]
    assert measure(SUITE, alone)["distance"] == pytest.approx(10 * (values[position] - sum(others) / 2), abs=1e-5)
    assert alone.cost == costs[position]
    assert list(alone.retrained_cost) == [c for i, c in enumerate(costs) if i != position]
    assert len(alone.retrained) == 2
    assert case.retrained[position] not in alone.retrained


def test_one_retrained_model_has_nobody_to_be_judged_against(case):
    single = replace(case, retrained=case.retrained[:1])
    values = measure(SUITE, left_out(single, 0, single.retrained[0], [None]))
    assert values["distance"] == "skipped: needs retrained"
    assert values["level"] == pytest.approx(0.1)


def test_comparison_by_hand():
    # References 2, 4, 9: mean 5, deviations -3, -1, 4, so sample variance 26 / 2 = 13; differences 2, 7, 5.
    metrics = {"level": level}
    refs = [{"level": v, "twice": 2 * v} for v in (2.0, 4.0, 9.0)]
    entries = compare(metrics, {"level": 6.5, "twice": 1.0}, refs, {"level": 7.0, "twice": math.nan})
    assert list(entries) == ["level", "twice"]
    entry = entries["level"]
    assert entry.value == 6.5
    assert entry.ref == 5.0
    assert entry.ref_std == pytest.approx(math.sqrt(13))
    assert entry.gap == 1.5
    assert entry.floor == pytest.approx(14 / 3)
    assert entry.z == pytest.approx(1.5 / math.sqrt(13))
    assert entry.rank_p == rank_p(6.5, [2.0, 4.0, 9.0])
    assert (entry.original, entry.direction, entry.version, entry.status) == (7.0, "higher", 3, "ok")
    assert entries["twice"].original is None
    assert entries["twice"].gap == -9.0


def test_two_models_of_one_law_differ_by_more_than_one_standard_deviation():
    # 2 s / sqrt(pi): a gap smaller than that is what chance makes, which is why the floor is reported.
    draws = np.random.default_rng(0).normal(5, 3, size=(4000, 3))
    floors = [
        compare({"level": level}, {"level": 5.0, "twice": 0.0}, [{"level": v} for v in row], {})["level"].floor
        for row in draws
    ]
    assert np.mean(floors) / 3 == pytest.approx(1.128, abs=0.02) == pytest.approx(2 / math.sqrt(math.pi), abs=0.02)


def test_rank_p_of_hand_worked_cases():
    # Mean of 9, 1, 2, 3, 5 is 4: distances 5, 3, 2, 1, 1. Of 4, 1, 2, 3, 5 it is 3: distances 1, 2, 1, 0, 2.
    assert rank_p(9, [1, 2, 3, 5]) == 1 / 5
    assert rank_p(4, [1, 2, 3, 5]) == 4 / 5
    assert rank_p(0.1 + 0.2, [0.3, 0.3]) == 1


def test_rank_p_is_5_in_100_as_often_as_it_should_be():
    draws = np.random.default_rng(1).exponential(size=(4000, 20))
    rejected = np.mean([rank_p(row[0], row[1:]) <= 0.05 for row in draws])
    assert rejected == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 4000))
    assert rank_p(8.0, draws[0, 1:].tolist()) == 0.05


def test_one_reference_has_no_spread_and_none_has_no_gap():
    one = compare({"level": level}, {"level": 1.0, "twice": 2.0}, [{"level": 0.25, "twice": 1.0}], {})["level"]
    assert (one.ref, one.gap) == (0.25, 0.75)
    assert [getattr(one, k) for k in ("ref_std", "floor", "z", "rank_p", "original")] == [None] * 5
    none = compare({"level": level}, {"level": 1.0, "twice": 2.0}, [], {})["level"]
    assert none.value == 1.0
    assert [getattr(none, k) for k in ("ref", "gap", "ref_std", "floor", "z")] == [None] * 5
    assert none.status == "ok"


def test_equal_references_have_no_z():
    refs = [{"level": 0.5, "twice": 1.0}] * 2
    entry = compare({"level": level}, {"level": 0.75, "twice": 1.0}, refs, {})["level"]
    assert (entry.ref_std, entry.floor, entry.z, entry.gap) == (0.0, 0.0, None, 0.25)


def test_skipped_and_undefined_values_keep_their_reason_and_the_references():
    refs = [
        {"level": 0.5, "twice": "skipped: needs head"},
        {"level": math.nan, "twice": 3.0},
        {"level": 1.5, "twice": 1.0},
    ]
    entries = compare({"level": level}, {"level": math.nan, "twice": "skipped: needs cost"}, refs, {"level": None})
    assert (entries["level"].value, entries["level"].status) == (None, "undefined")
    assert (entries["level"].ref, entries["level"].gap, entries["level"].floor) == (1.0, None, 1.0)
    assert (entries["twice"].value, entries["twice"].status) == (None, "skipped: needs cost")
    assert (entries["twice"].ref, entries["twice"].gap) == (2.0, None)
    infinite = compare({"level": level}, {"level": math.inf, "twice": 0.0}, [], {})
    assert (infinite["level"].value, infinite["level"].status) == (None, "undefined")
    assert (infinite["twice"].value, infinite["twice"].status) == (0.0, "ok"), "zero is a number"
