"""What an audit may work with: the run's models, and additional models trained the same way."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from cu.config.schema import RunConfig
from cu.data.types import Split, UnlearningTask
from cu.disk.json_lines import JsonLines
from cu.engine.context import silent
from cu.engine.predict import predict
from cu.experiment.workspace import Workspace
from cu.methods.types import Method, framed
from cu.models.types import Classifier
from cu.seeds import member_seed
from cu.store.checkpoint import EpochCheckpoint
from cu.store.fingerprint import fingerprint
from cu.store.identity import forgotten_ids, trained_identity, unlearned_identity
from cu.store.models import StoredModel, read_model
from cu.store.outputs import cached_outputs
from cu.store.plan import RunPlan
from cu.store.provenance import provenance

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class AuditContext:
    """A run whose outcome is to be audited. Every model is made once and kept in the store.

    Attributes:
        workspace: Data, hardware, recipe and store.
        plan: Of the run.
        task: What was forgotten.
        method: How.
        original: The original model.
        references: Retrained models.
        outcome: The unlearned model; None if the run ended before and left only its outputs.
    """

    workspace: Workspace[RunConfig]
    plan: RunPlan
    task: UnlearningTask
    method: Method
    original: StoredModel
    references: tuple[StoredModel, ...]
    outcome: Classifier | None

    @property
    def forget_seed(self) -> int:
        """Source of every choice of samples, the same for all methods."""
        return self.plan.config.forget_seed

    @property
    def method_seed(self) -> int:
        """The seed of the run's own unlearning."""
        return self.plan.config.method_seed

    def original_of(self, number: int) -> StoredModel:
        """Original `number`, trained by the recipe with a seed of its own; number 0 is the run's own."""
        workspace = self.workspace
        if number == 0:
            return self.original
        identity = {
            **trained_identity(workspace.original_identity),
            "seed": member_seed(workspace.seed, "original", number),
        }
        train = workspace.trainer(workspace.data.train, identity["seed"], "original", silent, logging.DEBUG)
        return workspace.store.obtain(identity, train)

    def trained(self, split: Split, number: int) -> StoredModel:
        """A model trained on part of the training set alone, as reference `number` is on the retain set."""
        return self.workspace.reference(replace(split, name="retain"), number, logging.DEBUG)

    def unlearned(self) -> StoredModel:
        """The run's own unlearned model."""
        return self.forgetting(self.original, self.task, 0)

    def forgetting(self, original: StoredModel, task: UnlearningTask, number: int) -> StoredModel:
        """What the run's method with its own settings makes of an original, with the method seed of that number.

        Number 0 is the run's own. A method that trains from scratch makes a model that is none of `trained`.
        """
        workspace = self.workspace
        seed = member_seed(self.method_seed, "unlearned", number) if number else self.method_seed
        own = number == 0 and original is self.original and task is self.task
        plan = self.plan
        forgotten = plan.forgotten if task is self.task else forgotten_ids(task.forget.ids.tolist(), task.scenario)
        identity = unlearned_identity(plan.config, original.record["identity"], seed, forgotten)

        def train(checkpoint: EpochCheckpoint, rows: JsonLines) -> tuple[Classifier, Mapping[str, Any]]:
            context, model = workspace.context(seed), self.kept() if own else None
            if model is None:
                with context.ledger.running():
                    model = self.method.unlearn(workspace.load(original), task, context)
            return model, {
                "cost": workspace.cost_of(context.ledger),
                **asdict(provenance(workspace.hardware.describe())),
            }

        return workspace.store.obtain(identity, train)

    def kept(self) -> Classifier | None:
        """The run's own unlearned model, if it is at hand or was saved."""
        if self.outcome is not None:
            return self.outcome
        if (stored := read_model(self.plan.folder.path)) is None:
            log.info("an audit needs the unlearned model, which was not kept: the method runs again")
            return None
        return self.workspace.load(stored, partial(framed, self.method))

    def load(self, stored: StoredModel) -> Classifier:
        """A model of this run on the device, in evaluation mode; an unlearned one in the form its method left it in."""
        unlearned = stored.record["identity"].get("kind") == "unlearned"
        return self.workspace.load(stored, partial(framed, self.method) if unlearned else None)

    def logits(self, stored: StoredModel, split: Split) -> np.ndarray:
        """A model's logits float32 [n, C] on a split, computed once and kept beside its weights.

        Images in files of their own count their ids from 0, too: the ids 0 to 99 of `val` and of `test` are others.
        """
        workspace, hardware = self.workspace, self.workspace.hardware
        place = [] if split.images is workspace.data.train.images else [split.name]
        name = f"logits-{fingerprint([split.ids.tolist(), hardware.scoring_precision, *place])}.npz"

        def compute() -> dict[str, np.ndarray]:
            return {"logits": predict(self.load(stored), split, hardware).logits.numpy()}

        return cached_outputs(stored.folder / "audited" / name, compute)["logits"]
