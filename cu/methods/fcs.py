"""FCS: forget towards the uniform, then contrast forget with retain logits and train on the retain set in turn."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Gt
from torch import Tensor

from cu.config.contradictions import require_consistent
from cu.data.batches.pairs import Pair, PairedBatches
from cu.data.batches.shuffled import Batch, Stream
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.descent import Descent
from cu.engine.fit import cross_entropy, descend, fit, require_finite_weights, set_training_mode
from cu.engine.recipe import Recipe
from cu.models.types import Classifier
from cu.seeds import derive_seed


@dataclass(frozen=True, kw_only=True)
class ForgetContrastStrengthen:
    """The winner of the NeurIPS 2023 unlearning challenge (team fanchuan), called FCS by its benchmark.

    First, `erase` minimises KL(uniform || softmax f) on the forget set. Then, round by round, come a pass of `contrast`
    over the forget set, each batch with a retain batch whose logits are held constant,

        mean over i, j of -log softmax_j(f(x_i)·f(x_j) / τ),   i in the forget batch, j in the retain batch,

    and a pass of `strengthen` over the retain set by cross-entropy. The contrast moves the logits of forget samples to
    where all retain samples are equally near. No label of a forget sample is read. Each of the three has an optimizer
    of its own, those of the rounds for all rounds.

    Source: Cadet et al., "Deep Unlearn" (arXiv 2410.01276), which describes the entry. There a round ends with the
    shorter of both sets, and the rate of `contrast` falls step by step; here pass by pass.

    Attributes:
        erase: How to descend on the forget set at first.
        contrast: How to descend on pairs; as many epochs as `strengthen`.
        strengthen: How to descend on the retain set; its epochs are the rounds.
        temperature: τ.
    """

    erase: Recipe
    contrast: Recipe
    strengthen: Recipe
    temperature: Annotated[float, Gt(0)]

    def contradictions(self, at: str) -> Iterator[str]:
        """A round has both parts."""
        if self.contrast.epochs != self.strengthen.epochs:
            yield f"{at}.contrast.epochs and {at}.strengthen.epochs must agree: both are the rounds"

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after its three stages."""
        require_consistent(self)
        forget = context.batches(task.forget, self.erase)
        student = deepcopy(fit(model, forget, uniform_loss, self.erase, context, name="erasing", state=()))
        sides = (context.batches(split, self.contrast) for split in (task.forget, task.retain))
        pairs = PairedBatches(*sides, repeats=1, sampling="random")
        stages = (
            Stage(student, pairs, self.contrast_loss, self.contrast, context),
            Stage(student, context.batches(task.retain, self.strengthen), cross_entropy, self.strengthen, context),
        )
        rounds = Descent(
            *("rounds", student, stages[0].optimizer, stages[0].scheduler),
            *(context.ledger, context.trajectory_every, stages[1:]),
        )
        kept = context.descents.begin(rounds) if context.descents else None
        while rounds.epoch < self.strengthen.epochs:
            if kept:
                kept.look()
            torch.manual_seed(derive_seed(context.seed, f"layers/fcs/{rounds.epoch}"))
            for stage in stages:
                stage.run(rounds.epoch)
            rounds.epoch += 1
        if kept:
            kept.end()
        require_finite_weights(student, context.hardware.device)
        return student.eval()

    def contrast_loss(self, model: Classifier, pair: Pair) -> Tensor:
        """Unlikeliness of all retain samples of the batch, seen from each forget sample."""
        anchors = model(pair.forget.images).logits
        with torch.no_grad():
            others = model(pair.retain.images).logits
        return -(anchors @ others.T / self.temperature).log_softmax(1).mean()


def uniform_loss(model: Classifier, batch: Batch) -> Tensor:
    """KL(uniform || prediction), averaged over samples."""
    logarithms = model(batch.images).logits.log_softmax(1)
    return -logarithms.mean() - torch.tensor(float(logarithms.shape[1])).log()


class Stage:
    """One of the parts of a round, with an optimizer that lasts."""

    def __init__(self, model: Classifier, stream: Stream, loss, recipe: Recipe, context: MethodContext) -> None:
        self.model, self.stream, self.loss, self.recipe, self.context = model, stream, loss, recipe, context
        self.optimizer = recipe.optimizer([p for p in model.parameters() if p.requires_grad])
        self.scheduler = recipe.scheduler(self.optimizer, [len(stream)] * recipe.epochs)

    def get_state(self) -> dict[str, Any]:
        """Of optimizer and scheduler."""
        return {"optimizer": self.optimizer.state_dict(), "step": self.scheduler.last_epoch}

    def set_state(self, state: dict[str, Any]) -> None:
        """As they were."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.last_epoch = state["step"]

    def run(self, number: int) -> None:
        """Go through the stream once, in the order of this round."""
        set_training_mode(self.model, self.recipe)
        for batch in self.stream.epoch(number):
            descend(self.model, batch, self.loss, self.recipe, self.optimizer, self.scheduler, self.context)
            self.context.checkpoint_trajectory(self.model, self.context.ledger.steps)
