import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from cu.engine.outputs import score
from cu.evaluation.cases import by_split, of_ids
from cu.evaluation.suite import measure
from cu.metrics.case import Case
from cu.metrics.predictions import ModelPredictions, Predictions
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
