"""What contrastive matching looks at is there, or its lack is said before anything is trained."""

from dataclasses import replace

import pytest
import torch

from cu.config.build import build, composed
from cu.config.component import Component
from cu.data.scenarios.classes import ClassScenario
from cu.data.task import make_task
from cu.errors import ConfigError
from cu.methods.types import check_task


@pytest.fixture
def method(make_recipe):
    def method(stop_on):
        whole = build(Component(composed("method=contrastive_matching")["method"]))
        return replace(whole, recipe=make_recipe(epochs=1), stop_on=stop_on)

    return method


def test_held_out_samples_of_the_forgotten_classes_are_looked_at(original, toy_tasks, method):
    task = toy_tasks["class"]
    task = replace(task, val=task.val.subset(task.val.labels != 2))
    with pytest.raises(ConfigError, match=r"^method\.stop_on=val finds no val samples of the forgotten classes"):
        check_task(method("val"), lambda: original, task)
    check_task(method("never"), lambda: original, task)


def test_two_classes_are_left_to_estimate_the_level_by(original, toy_data, method):
    for gone, enough in ([0, 1, 3], False), ([0, 1], True):
        task = make_task(toy_data, ClassScenario(classes=gone), torch.Generator())
        if enough:
            check_task(method("val"), lambda: original, task)
        else:
            with pytest.raises(ConfigError, match=r"^method\.stop_on=val needs at least two classes that are not"):
                check_task(method("val"), lambda: original, task)
            check_task(method("never"), lambda: original, task)


@pytest.mark.parametrize("stop_on", ["val", "never"])
def test_samples_have_held_out_ones_to_look_like(original, toy_tasks, make_run, method, stop_on):
    """Without them, the stream of held-out batches would go round for ever."""
    task = replace(toy_tasks["sample"], val=toy_tasks["sample"].val.subset(torch.arange(0)))
    for attempt in (
        lambda: check_task(method(stop_on), lambda: original, task),
        lambda: method(stop_on).unlearn(original, task, make_run()),
    ):
        with pytest.raises(ConfigError, match=r"^method=contrastive_matching has no val samples"):
            attempt()
    check_task(method(stop_on), lambda: original, toy_tasks["sample"])
