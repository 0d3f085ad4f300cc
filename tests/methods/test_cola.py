import pytest
import torch

from cu.engine.predict import accuracy, predict
from cu.methods.cola import Cola, pseudo_labelled
from cu.methods.types import resources


def cola(recipe, **settings):
    return Cola(**{"collapse": recipe, "align": recipe, "temperature": 0.1, "forget_aware": False, **settings})


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_pseudo_labels_are_the_likeliest_of_other_classes_that_stay(original, toy_tasks, make_run, hardware, scenario):
    task = toy_tasks[scenario]
    found = pseudo_labelled(original, task, make_run()).labels.tolist()
    for row, own, label in zip(
        predict(original, task.forget, hardware).logits.tolist(), task.forget.labels, found, strict=True
    ):
        allowed = [c for c in range(4) if c != own and c not in task.forget_classes]
        assert label == max(allowed, key=row.__getitem__)


def within(features, labels):
    """Mean squared distance of unit features from their class mean."""
    unit = torch.nn.functional.normalize(features, dim=1)
    return sum((unit[labels == c] - unit[labels == c].mean(0)).square().sum() for c in labels.unique()) / len(labels)


def test_retained_classes_collapse_and_stay_right(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    model = cola(make_recipe(lr=0.02, epochs=4)).unlearn(original, task, make_run())
    labels = task.retain.labels
    before, after = (within(predict(m, task.retain, hardware).features, labels) for m in (original, model))
    assert after < before
    assert accuracy(model, task.retain, hardware) > 0.9


def test_only_the_forget_aware_form_reads_the_forget_set(make_recipe):
    assert resources(cola(make_recipe()).needs) == {"retain data"}
    assert resources(cola(make_recipe(), forget_aware=True).needs) == {"retain data", "forget data"}
