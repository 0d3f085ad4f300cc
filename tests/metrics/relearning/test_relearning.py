import numpy as np
import pytest

from cu.metrics.case import Case
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.relearning.curve import head_reads_relu, head_recovery, prototype_relearning, with_prototypes

FORGET, CLASSES = 2, 4


def orthogonal_model(*, hidden=False, mask=False, head=True, seed=0):
    """Classes on orthogonal axes; the head has no row for the forgotten class."""
    rng = np.random.default_rng(seed)
    weight, bias = np.eye(CLASSES), np.full(CLASSES, 0.01)
    weight[FORGET], bias[FORGET] = 0, -5

    def part(labels, first):
        label = np.asarray(labels, dtype=np.int64)
        x = np.eye(CLASSES)[label] * 3 + rng.normal(0, 0.02, (len(label), CLASSES))
        if hidden:  # large negative parts that a ReLU before the head removes
            x -= 4 * (np.eye(CLASSES)[label] == 0)
        logits = (np.maximum(x, 0) if hidden else x) @ weight.T + bias
        if mask:
            logits[:, FORGET] = -1e4
        ids = np.arange(first, first + len(label))
        return Predictions(logits.astype(np.float32), x.astype(np.float32), label, ids)

    kept = np.tile([0, 1, 3], 20)
    return ModelPredictions(
        retain=part(kept, 0),
        forget=part([FORGET] * 12, 100),
        val=part([], 200),
        test_retain=part(kept, 300),
        test_forget=part([FORGET] * 15, 400),
        head=(weight.astype(np.float32), bias.astype(np.float32)) if head else None,
    )


def case_of(model):
    return Case(
        model=model, retrained=(), original=None, scenario="class", forget_classes=(FORGET,), num_classes=CLASSES
    )


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("mask", [False, True])
def test_orthogonal_classes_come_back_completely(hidden, mask):
    model = orthogonal_model(hidden=hidden, mask=mask)
    assert (model.test_forget.logits.argmax(axis=1) != FORGET).all()
    assert prototype_relearning(case_of(model), mix=0.5, draws=10) == {
        "relearn/proto5_forget_test_acc": 1.0,
        "relearn/proto5_retain_test_acc": 1.0,
    }
    recovered = head_recovery(case_of(model), shots=10, max_per_class=50, draws=2)
    assert recovered == {"relearn/head_forget_test_acc": 1.0}


def test_a_class_without_a_direction_of_its_own_does_not_come_back():
    model = orthogonal_model()
    moved = model.forget.embedding[:, [0, 1, 3, 2]]  # forgotten images now lie on class 3
    forget = Predictions(moved @ model.head[0].T + model.head[1], moved, model.forget.label, model.forget.id)
    test = Predictions(
        model.test_retain.logits[2::3], model.test_retain.embedding[2::3], np.full(20, FORGET), np.arange(20)
    )
    changed = ModelPredictions(model.retain, forget, model.val, model.test_retain, test, model.head)
    assert prototype_relearning(case_of(changed), mix=0.5, draws=10)["relearn/proto5_forget_test_acc"] < 0.1


def test_prototype_row_by_hand():
    head = (np.array([[3.0, 0], [0, 1], [8, 8]]), np.array([1.0, 2, 3]))
    weight, bias = with_prototypes(head, {2: np.array([0.0, 10])}, 0.25)
    assert weight.tolist() == [[3, 0], [0, 1], [6, 6.5]]  # mean length of the other rows is 2
    assert bias.tolist() == [1, 2, 0]
    assert head[0][2].tolist() == [8, 8]


def test_which_features_the_head_reads():
    rng = np.random.default_rng(0)
    x, head = rng.normal(size=(50, 6)), (rng.normal(size=(3, 6)), rng.normal(size=3))
    product = {False: x @ head[0].T + head[1], True: np.maximum(x, 0) @ head[0].T + head[1]}
    for relu, logits in product.items():
        assert head_reads_relu(x, logits, head, [0, 1, 2]) is relu
        assert head_reads_relu(x, logits * (1 + 1e-3 * rng.normal(size=logits.shape)), head, [0, 1, 2]) is relu
    assert head_reads_relu(x, rng.normal(size=(50, 3)), head, [0, 1, 2]) is None
    assert head_reads_relu(x[:, :4], product[False], head, [0, 1, 2]) is None


def test_undefined_where_the_embedding_is_not_the_heads_input_or_nothing_was_forgotten():
    model = orthogonal_model()
    other = ModelPredictions(
        model.retain, model.forget, model.val, model.test_retain, model.test_forget, (-model.head[0], model.head[1])
    )
    empty = np.array([], dtype=np.int64)
    nothing = ModelPredictions(
        model.retain, model.forget.take(empty), model.val, model.test_retain, model.test_forget.take(empty), model.head
    )
    for bad in (other, nothing):
        values = {
            **prototype_relearning(case_of(bad), mix=0.5, draws=2),
            **head_recovery(case_of(bad), shots=5, max_per_class=9, draws=2),
        }
        assert len(values) == 3
        assert all(np.isnan(v) for v in values.values())
