from dataclasses import replace

import pytest
import torch

from cu.data.scenarios.samples import SampleScenario
from cu.data.task import make_task
from cu.errors import ConfigError
from cu.experiment.request import told
from cu.store.removed import Removal


def test_a_list_that_takes_a_whole_class_is_told_what_classes_are_for(toy_tasks, toy_data):
    """The ids of a class, forgotten as a class and as a list of ids."""
    task = toy_tasks["class"]
    listed = replace(task, scenario="sample", forget_classes=())
    assert list(told(task, toy_data, Removal())) == []
    assert list(told(toy_tasks["sample"], toy_data, Removal())) == []
    (line,) = told(listed, toy_data, Removal())
    assert line.startswith("nothing of c is left to retain")
    assert line.endswith("scenario=class scenario.classes=[2]")


def test_one_class_is_nothing_to_tell_apart(toy_data):
    alone = replace(toy_data, class_names=("dog",))
    with pytest.raises(ConfigError, match=r"^the data set has one class, dog:"):
        make_task(alone, SampleScenario(count=3, fraction=None), torch.Generator())
