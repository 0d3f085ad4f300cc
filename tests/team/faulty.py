"""A method of the user's own in which only the last process of the job goes wrong."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from cu.config.processes import processes
from cu.engine.fit import cross_entropy, fit, unconstrained
from cu.engine.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Faulty:
    """Fine-tuning, with a fault in the last process.

    Attributes:
        recipe: How to descend.
        fault: The loss or the weights become NaN, or there is an error with a message.
    """

    recipe: Recipe
    fault: Literal["loss", "weights", "error"]

    def unlearn(self, model, task, context):
        own = processes()
        faulty = own.rank == own.count - 1

        def loss(student, batch):
            value = cross_entropy(student, batch)
            if faulty and self.fault == "error":
                raise ValueError("a bad\nday")
            return value * float("nan") if faulty and self.fault == "loss" else value

        @contextmanager
        def spoiled(student, optimizer, batch):
            yield
            if context.ledger.steps + 1 == self.recipe.epochs * len(batches):  # no loss sees it
                with torch.no_grad():
                    next(student.parameters()).fill_(float("nan"))

        around = spoiled if faulty and self.fault == "weights" else unconstrained
        batches = context.batches(task.retain, self.recipe)
        return fit(model, batches, loss, self.recipe, context, around_step=around, state=())
