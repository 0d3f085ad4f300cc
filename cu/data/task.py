"""From a data set and a scenario to an unlearning task."""

from __future__ import annotations

import torch

from cu.data.scenarios.indices import UntrainedIdsError
from cu.data.scenarios.types import Scenario
from cu.data.types import ImageData, UnlearningTask
from cu.errors import ConfigError


def make_task(data: ImageData, scenario: Scenario, generator: torch.Generator) -> UnlearningTask:
    """Cut the training split in two, and the test samples of forgotten classes from the test split.

    Args:
        data: The data set; its `val` and `test` are passed on whole.
        scenario: What to forget.
        generator: Decides where `scenario` is random; lives on the CPU.

    Raises:
        ConfigError: The scenario does not fit the data, or the data have a single class.
    """
    if data.num_classes < 2:
        raise ConfigError(f"the data set has one class, {data.class_names[0]}: a classifier that forgets needs two")
    try:
        positions = scenario.among(data.class_names).select(data.train, data.num_classes, generator)
    except UntrainedIdsError as error:
        raise error.explained(data) from error
    forgotten = torch.zeros(len(data.train), dtype=torch.bool, device=data.train.labels.device)
    forgotten[positions] = True
    forget = data.train.subset(forgotten, "forget")
    retain = data.train.subset(~forgotten, "retain")
    assert len(forget) == len(positions), "a scenario must not select a sample twice"
    assert len(forget) > 0, "a scenario must forget something"
    assert len(retain) > 0, "a scenario must leave something to retain"
    forget_classes = forget.labels.unique() if scenario.kind == "class" else forget.labels[:0]
    return UnlearningTask(
        retain=retain,
        forget=forget,
        val=data.val,
        test=data.test,
        test_forget=data.test.subset(torch.isin(data.test.labels, forget_classes), "test_forget"),
        num_classes=data.num_classes,
        scenario=scenario.kind,
        forget_classes=tuple(forget_classes.tolist()),
    )
