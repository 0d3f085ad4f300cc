"""Everything a method may touch besides the model and the task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from cu.data.batches.shuffled import ShuffledBatches
from cu.data.types import Split, UnlearningTask
from cu.engine.hardware import Hardware
from cu.engine.interruption import Descents
from cu.engine.ledger import Ledger
from cu.engine.predict import accuracy
from cu.engine.recipe import Recipe
from cu.models.types import Classifier
from cu.seeds import derive_seed, generator

Log = Callable[[Mapping[str, float], int], None]


def silent(values: Mapping[str, float], step: int) -> None:
    """A log that keeps nothing."""


@dataclass(frozen=True, eq=False)
class MethodContext:
    """One piece of work: where it computes, its random streams, its account and its log.

    Attributes:
        hardware: Device, precision and layout.
        seed: Source of every random stream of the run, by purpose.
        build: Makes a model with weights drawn from torch's global generator.
        retrain: Trains a new model on a split by the original's own recipe, or finds it trained; returns it and what
            its training cost.
        ledger: Seconds, samples and steps of the run.
        log: Called with (values, step); rows of `metrics.jsonl` and of W&B.
        task: What trajectory checkpoints are scored on; None where there is none.
        trajectory_every: Steps between trajectory checkpoints; 0 for none.
        descents: Where the state of every descent is kept, so that a killed one goes on; None where none is.
    """

    hardware: Hardware
    seed: int
    build: Callable[[], Classifier]
    retrain: Callable[[Split], tuple[Classifier, Mapping[str, float]]]
    ledger: Ledger
    log: Log = silent
    task: UnlearningTask | None = None
    trajectory_every: int = 0
    descents: Descents | None = None

    def generator(self, purpose: str) -> torch.Generator:
        """A random stream of this run's own for one purpose."""
        return generator(self.seed, purpose)

    def new_model(self, purpose: str = "init") -> Classifier:
        """A model with fresh random weights, the same for the same seed and purpose."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.seed, purpose))
            return self.hardware.place(self.build())

    def batches(self, splits: Split | tuple[Split, ...], recipe: Recipe, size: int | None = None) -> ShuffledBatches:
        """Shuffled training batches of one split, or of several mixed, in the recipe's size.

        They are augmented where both the data set and the recipe say so.
        """
        chosen = (splits,) if isinstance(splits, Split) else splits
        views = tuple(s.augmented(s.transform.augment and recipe.augment) for s in chosen)
        purpose = "batches/" + "+".join(s.name for s in views)
        return ShuffledBatches(views, size or recipe.batch_size, self.seed, purpose, self.hardware.placement)

    def train_from_scratch(self, split: Split) -> Classifier:
        """A model trained on a split by the original's own recipe; its cost is booked, cached or not."""
        with self.ledger.paused():
            model, cost = self.retrain(split)
        self.ledger.credit(cost)
        return model

    def accuracy(self, model: Classifier, split: Split) -> float:
        """Accuracy in evaluation mode; on the clock, because a method that looks must pay for it."""
        return accuracy(model, split, self.hardware)

    def checkpoint_trajectory(self, model: Classifier, step: int) -> None:
        """Score the model on the way, off the clock, and log it; does nothing unless the step is due."""
        if self.task is None or not self.trajectory_every or step % self.trajectory_every:
            return
        task = self.task
        retained = task.test.subset(~torch.isin(task.test.ids, task.test_forget.ids))
        looks = {"forget_train": task.forget, "retain_test": retained, "forget_test": task.test_forget, "val": task.val}
        with self.ledger.paused():
            values = {
                f"trajectory/{name}_acc": self.accuracy(model, split) for name, split in looks.items() if len(split)
            }
            self.log(values, step)
