import numpy as np
import pytest

from cu.config.build import build, composed
from cu.config.component import Component
from cu.evaluation.suite import measure
from cu.metrics import rows as room
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.rows import NotKept, NotKeptError, Rows, joined, pieces, rowwise, taken

LEFT_OUT = ("svc_attacks", "average_gap", "validation_gap", "tug_of_war")  # the same features as others, and slow


@pytest.fixture
def array(tmp_path):
    values = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float16)
    mapped = np.memmap(tmp_path / "array", np.float16, "w+", shape=values.shape)
    mapped[:] = values
    return mapped


def test_rows_are_those_of_the_array(array):
    positions = np.array([7, 3, 3, 19])
    found, whole = Rows(array, positions), np.array(array)[positions].astype(np.float32)
    assert (len(found), found.shape, found.dtype, found.ndim) == (4, (4, 3), np.float32, 2)
    for key in (slice(1, 3), [2, 0], 1, np.array([True, False, True, False]), (slice(None), 1), ([0, 1], [1, 2])):
        np.testing.assert_array_equal(found[key], whole[key])
    np.testing.assert_array_equal(found.at(np.array([3, 0]))[:], whole[[3, 0]])
    np.testing.assert_array_equal(found - 1.0, whole - 1.0)
    np.testing.assert_array_equal(np.argsort(found, axis=1), whole.argsort(axis=1))
    assert found.mean() == whole.mean()
    assert found.astype(np.float64).dtype == np.float64


def test_taking_and_joining_read_nothing(array):
    first, second = Rows(array, np.arange(5)), Rows(array, np.arange(9, 12))
    both = joined(taken(first, np.array([4, 1])), second)
    assert isinstance(both, Rows)
    np.testing.assert_array_equal(both, np.concatenate([first[[4, 1]], second[:]]))
    other = joined(first, np.zeros((1, 3), np.float32))
    assert other.shape == (6, 3)


@pytest.mark.parametrize(("rows", "width"), [(0, 3), (1, 3), (10, 0), (20, 3), (5, 100)])
def test_pieces_cover_everything_once(monkeypatch, rows, width):
    monkeypatch.setattr(room, "PIECE", 10)
    found = [i for cut in pieces(rows, width) for i in range(rows)[cut]]
    assert found == list(range(rows))


def test_a_function_of_rows_is_the_same_in_pieces(monkeypatch, array):
    doubled = rowwise(lambda a, b: (a * b[:, None]).sum(axis=1))
    vector = np.arange(20.0)
    whole = doubled(np.array(array), vector)
    monkeypatch.setattr(room, "PIECE", 7)
    np.testing.assert_array_equal(doubled(Rows(array, np.arange(20)), vector), whole.astype(np.float32))


def test_what_was_not_kept_says_so():
    with pytest.raises(NotKeptError, match="not kept"):
        np.asarray(taken(NotKept(), np.array([0])))
    with pytest.raises(NotKeptError):
        _ = NotKept().shape


def as_rows(model: ModelPredictions) -> ModelPredictions:
    def part(one: Predictions) -> Predictions:
        embedding, everything = Rows(one.embedding, np.arange(len(one))), np.arange(len(one))
        return Predictions(Rows(one.logits, everything), embedding, one.label, one.id, embedding)

    return ModelPredictions(**{name: part(one) for name, one in model.parts.items()}, head=model.head)


def in_features(model: ModelPredictions) -> ModelPredictions:
    parts = {n: Predictions(p.logits, p.embedding, p.label, p.id, p.embedding) for n, p in model.parts.items()}
    return ModelPredictions(**parts, head=model.head)


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_the_default_suite_says_the_same_of_outputs_that_are_read_in_pieces(make_case, monkeypatch, scenario):
    nodes = composed("evaluation=default")["evaluation"]["metrics"]
    metrics = {name: build(Component(node)) for name, node in nodes.items() if name not in LEFT_OUT}
    case = make_case(scenario)
    models = (case.model, *case.retrained, *filter(None, [case.original]))

    def values(kind):
        model, *others = map(kind, models)
        retrained, original = others[: len(case.retrained)], others[len(case.retrained) :]
        return measure(metrics, room_case(case, model, retrained, original))

    whole = values(in_features)
    monkeypatch.setattr(room, "PIECE", 50)
    cut = values(as_rows)
    assert whole.keys() == cut.keys()
    for key, value in whole.items():
        assert cut[key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-9, nan_ok=True)), key


def room_case(case, model, retrained, original):
    from dataclasses import replace

    return replace(case, model=model, retrained=tuple(retrained), original=original[0] if original else None)
