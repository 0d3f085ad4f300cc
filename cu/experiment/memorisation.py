"""How much models memorise each training sample."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from cu.data.scenarios.types import Scenario
from cu.engine.predict import predict
from cu.engine.progress import eta_log
from cu.experiment.audits.shadows import halves
from cu.experiment.workspace import Workspace


def resolve_scenario(scenario: Scenario, workspace: Workspace) -> Scenario:
    """A scenario that can select: with the memorisation of every sample, if it asks for that."""
    return scenario.informed_by(partial(memorisation, workspace))


def memorisation(workspace: Workspace, models: int) -> Tensor:
    """Share of right answers of models trained on a sample minus that of models that were not, float [N] in [-1, 1].

    Feldman & Zhang 2020, with halves of the training set that come in pairs of complements. The models depend on the
    data set, the model and the recipe, but not on the seed of the run: memorisation is a property of the data.
    """
    train, finished = workspace.data.train, eta_log("memorisation", models)
    member = torch.from_numpy(halves(len(train), models, seed=0))
    right = torch.zeros(member.shape)
    for number in range(models):
        half = replace(train.subset(member[number].to(train.rows.device)), name="retain")
        model = workspace.load(workspace.retrained(half, number, logging.DEBUG))
        right[number] = (predict(model, train, workspace.hardware).logits.argmax(dim=1) == train.labels.cpu()).float()
        finished()
    return mean_over(right, member) - mean_over(right, ~member)


def mean_over(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean [N] over the chosen rows of each column of values [M, N]."""
    return (values * chosen).sum(0) / chosen.sum(0)
