from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss

from cu.metrics import primitives
from cu.metrics.accuracy import accuracy


def one_hot(predicted, num_classes):
    return np.eye(num_classes)[np.asarray(predicted)]


def test_accuracy_of_a_hand_worked_case():
    logits = one_hot([0, 1, 2, 2], 3)
    assert accuracy.accuracy(logits, np.array([0, 1, 1, 2])) == 0.75
    assert np.isnan(accuracy.accuracy(np.empty((0, 3)), np.empty(0, int)))


def test_macro_accuracy_ignores_a_class_without_samples():
    # Nine retained classes; one wrong sample in ninety goes to class 9, which has no samples.
    label = np.repeat(np.arange(9), 10)
    predicted = label.copy()
    predicted[0] = 9
    by_class = accuracy.recalls(one_hot(predicted, 10), label)
    assert set(by_class) == set(range(9))
    assert np.mean(list(by_class.values())) == pytest.approx(0.9889, abs=1e-4)
    assert sum(by_class.values()) / 10 == pytest.approx(0.8900, abs=1e-4)
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        assert balanced_accuracy_score(label, predicted) == pytest.approx(np.mean(list(by_class.values())))


def test_worst_and_macro_accuracy_of_imbalanced_classes(make_case, make_model, make_predictions):
    label = np.array([0] * 90 + [1] * 10)
    predicted = np.array([0] * 90 + [1] * 4 + [0] * 6)
    model = replace(make_model(), test_retain=make_predictions(one_hot(predicted, 4), label))
    values = accuracy.class_accuracies(make_case(model=model))
    assert values == {"retain_test_worst_class_acc": 0.4, "retain_test_macro_acc": pytest.approx(0.7)}


def test_every_split_has_its_own_accuracy_and_loss(make_case):
    case = make_case("class", boost={"forget": -9.0, "test_forget": 9.0, "retain": 9.0, "val": 1.0, "test_retain": 2.0})
    values = {**accuracy.split_accuracies(case), **accuracy.split_losses(case)}
    for name, part in {
        "forget_train": case.model.forget,
        "retain_train": case.model.retain,
        "retain_test": case.model.test_retain,
        "forget_test": case.model.test_forget,
        "val": case.model.val,
    }.items():
        assert values[f"{name}_acc"] == np.mean(part.logits.argmax(axis=1) == part.label)
        p = primitives.softmax(part.logits)
        assert values[f"{name}_loss"] == pytest.approx(log_loss(part.label, p, labels=range(4)), rel=1e-6)
    kept, gone = len(case.model.test_retain), len(case.model.test_forget)
    mixed = (kept * values["retain_test_acc"] + gone * values["forget_test_acc"]) / (kept + gone)
    assert values["test_acc"] == pytest.approx(mixed)
    assert values["forget_train_acc"] == 0
    assert values["forget_test_acc"] > 0.99


def test_an_empty_split_is_nan_and_not_0(make_case):
    values = accuracy.split_accuracies(make_case("sample"))
    assert np.isnan(values["forget_test_acc"])
    assert values["test_acc"] == values["retain_test_acc"] > 0
    assert np.isnan(accuracy.split_losses(make_case("sample"))["forget_test_loss"])
    assert np.isnan(accuracy.split_accuracies(make_case(sizes={"val": 0}))["val_acc"])


def test_masking_the_logit_of_a_class_forgets_it_exactly(make_case, make_model):
    model = make_model("class", boost=dict.fromkeys(("retain", "forget", "val", "test_retain", "test_forget"), 5.0))
    logits = model.forget.logits.copy()
    logits[:, 3] = -1e4
    masked = replace(model, forget=replace(model.forget, logits=logits))
    assert accuracy.split_accuracies(make_case("class", model=model))["forget_train_acc"] > 0.9
    assert accuracy.split_accuracies(make_case("class", model=masked))["forget_train_acc"] == 0
    assert np.isfinite(accuracy.split_losses(make_case("class", model=masked))["forget_train_loss"])


def test_unlearn_score_is_the_distance_of_two_accuracies(make_case, make_model, make_predictions):
    label = np.zeros(100, int)

    def part(right, first_id):
        return make_predictions(one_hot(np.repeat([0, 1], [right, 100 - right]), 4), label, first_id)

    model = replace(make_model(), forget=part(90, 0), test_retain=part(80, 1000))
    assert accuracy.unlearn_score(make_case(model=model), draws=3)["unlearn_score"] == pytest.approx(0.1)
    model = replace(make_model(), forget=part(80, 0), test_retain=part(90, 1000))
    assert accuracy.unlearn_score(make_case(model=model), draws=3)["unlearn_score"] == pytest.approx(0.1)
    model = replace(make_model(), forget=part(90, 0), test_retain=part(90, 1000))
    assert accuracy.unlearn_score(make_case(model=model), draws=3)["unlearn_score"] == 0


def test_unlearn_score_matches_classes(make_case, make_model, make_predictions):
    # Class 1 is always wrong and makes up 10 % of the forgotten samples, but 90 % of the test set.
    forget = make_predictions(np.tile([1.0, 0.0, 0.0, 0.0], (20, 1)), [0] * 18 + [1] * 2)
    test = make_predictions(np.tile([1.0, 0.0, 0.0, 0.0], (200, 1)), [0] * 20 + [1] * 180, 1000)
    case = make_case(model=replace(make_model(), forget=forget, test_retain=test))
    assert accuracy.unlearn_score(case, draws=3)["unlearn_score"] == pytest.approx(0)
    assert accuracy.unlearn_score.spec.scenarios == {"sample"}


def test_neighbor_is_chosen_by_retrained_models_among_retained_classes(make_case, make_model, make_predictions):
    # Retrained models send class 3 mostly to itself (which does not count), then to class 1.
    profile = np.log([[0.1, 0.3, 0.1, 0.5]] * 20)
    other = replace(make_model("class", seed=7), test_forget=make_predictions(profile, [3] * 20))
    tested = make_predictions(one_hot([0, 0, 1, 1, 1, 0, 2], 4), [0, 0, 1, 1, 1, 1, 2])
    case = make_case("class", model=replace(make_model("class"), test_retain=tested), retrained=(other,))
    assert accuracy.neighbor_accuracy(case)["retain_neighbor_acc"] == 0.75
    assert accuracy.neighbor_class(np.exp(profile), (3,)) == 1
    assert accuracy.neighbor_class(np.exp(profile), (1, 3)) in {0, 2}


def test_neighbor_of_an_unseen_class_is_nan(make_case):
    case = make_case("class", sizes={"test_forget": 0})
    assert np.isnan(accuracy.neighbor_accuracy(case)["retain_neighbor_acc"])


def test_the_class_that_pays_most(make_case, make_model, make_predictions):
    label = np.repeat([0, 1, 2], 10)

    def predicting(wrong_of):
        predicted = label.copy()
        for c, wrong in enumerate(wrong_of):
            predicted[10 * c : 10 * c + wrong] = (c + 1) % 3
        return replace(make_model("class"), test_retain=make_predictions(one_hot(predicted, 4), label))

    def drop(before, after):
        case = replace(make_case("class", model=predicting(after)), original=predicting(before))
        return accuracy.worst_class_drop(case)["retain_worst_class_drop"]

    assert drop((1, 0, 2), (1, 3, 0)) == pytest.approx(0.3)  # class 2 gains 20 points, which hides nothing
    assert drop((1, 0, 2), (1, 0, 2)) == 0
    assert drop((5, 5, 5), (4, 3, 2)) == pytest.approx(-0.1)
