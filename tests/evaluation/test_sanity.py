import numpy as np
import pytest

from cu.evaluation.sanity import accuracies, doubts
from cu.metrics.case import ModelPredictions, Predictions

NAMES = ("ant", "bee", "cat", "dog")


def predictions(count, right, order=(0, 1, 2, 3), says=None, seed=0):
    """A share `right` of samples classified as labelled, by a model whose outputs are in another order."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 4
    said = np.where(np.arange(count) < right * count, label, (label + rng.integers(1, 4, count)) % 4)
    said = np.asarray(order)[said] if says is None else np.full(count, says)
    return Predictions(np.eye(4, dtype=np.float32)[said], np.zeros((count, 2), np.float32), label, np.arange(count))


def model(right=0.9, test=None, **how):
    test = right if test is None else test
    return ModelPredictions(
        predictions(400, right, **how), predictions(40, right, **how), predictions(0, 0), predictions(200, test, **how),
        predictions(0, 0),
    )  # fmt: skip


def test_what_is_as_it_should_be_raises_no_doubt():
    assert doubts(model(0.9), [model(0.88, seed=1)], NAMES, "short") == []
    assert accuracies(model(0.5)) == {"retain": 0.5, "forget": 0.5, "test": 0.5}


def test_another_class_order_is_told_with_the_order():
    (line,) = doubts(model(0.9, order=(1, 2, 3, 0)), [], NAMES, "short")
    assert "90.0% on retained images" in line
    assert line.endswith("it seems to be [dog,ant,bee,cat]")


@pytest.mark.parametrize(("how", "word"), [({"right": 0.25}, "which is chance;"), ({"says": 2}, "it says cat to 100%")])
def test_chance_names_the_likely_causes(how, word):
    (line,) = doubts(model(**how), [model(0.9)], NAMES, "short")
    assert word in line
    assert "dataset.mean" in line


def test_a_reference_far_from_the_original_is_told_with_its_recipe():
    (line,) = doubts(model(0.9), [model(0.9), model(0.7)], NAMES, "short")
    assert line.startswith("reference 1 has an accuracy of 70.0% on retained test images, the original 90.0%")
    assert "recipe=short" in line
    assert "reference.checkpoints=[FILE]" in line


def test_a_test_set_too_small_to_tell_is_no_reason():
    few = ModelPredictions(*(predictions(12, 0.2) for _ in range(5)))
    assert doubts(few, [few], NAMES, "short") == []
