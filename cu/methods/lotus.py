"""LoTUS: temper what the original says of forget samples until they are known no better than unseen ones."""

from __future__ import annotations

import logging
import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from torch.nn import functional as F

from cu.data.batches.shuffled import Batch
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import fit
from cu.engine.freezing import frozen_teacher
from cu.engine.recipe import Recipe
from cu.errors import ConfigError
from cu.methods.bad_teacher import drawn
from cu.methods.types import BOTH_SETS, Need
from cu.models.types import Classifier

log = logging.getLogger(__name__)
REACHED = -0.01  # difference of accuracies from which on the released code unlearns no further


@dataclass(frozen=True, kw_only=True)
class Lotus:
    """Logits tempering unlearning strategy (Spartalis et al., "LoTUS", CVPR 2025, arXiv 2503.18314).

    Forget samples and a part of the retain set are shuffled together. The student minimises cross-entropy with targets
    drawn by Gumbel noise g from the frozen original's logits z: softmax((z + g) / τ) for forget samples, the one-hot
    vector of argmax(z + g) for retain samples. Before each epoch τ = exp(α (a_f - a_u)), with a_f the student's
    accuracy on the forget set and a_u the original's on unseen data; unlearning ends when a_f has fallen below a_u by
    a hundredth. In class scenarios a_u is 0: nothing that knows the class was meant to be unseen. Where labels were
    swapped (`scenario=confusion`), a_f is accuracy under the wrong ones, and only `unseen=nothing` is an aim.

    Attributes:
        recipe: How to descend; an epoch is one pass over the forget set and the drawn part of the retain set.
        alpha: α; higher smooths more.
        retain_fraction: Part of the retain set that is drawn, once, and used.
        unseen: Whose accuracy a_u is in sample scenarios: that on `val`, or 0 by `nothing`.
    """

    recipe: Recipe
    alpha: Annotated[float, Ge(0)]
    retain_fraction: Annotated[float, Gt(0), Le(1)]
    unseen: Literal["val", "nothing"]

    @property
    def needs(self) -> tuple[Need, ...]:
        """Both sets, and in sample scenarios validation data as what is unseen."""
        unseen = Need("validation data", "method.unseen=val", "method.unseen to nothing", ("sample",))
        return (*BOTH_SETS, unseen) if self.unseen == "val" else BOTH_SETS

    def check(self, model: Classifier, task: UnlearningTask) -> None:
        """What is unseen can be looked at."""
        if task.scenario == "sample" and self.unseen == "val" and not len(task.val):
            raise ConfigError("method.unseen=val has no val samples to look at; set dataset.val_fraction above 0")

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after at most `recipe.epochs` passes."""
        retain = drawn(task.retain, self.retain_fraction, context.generator("lotus/retain"))
        # Labels say which target is wanted: 1 the smooth one, 0 the hard one.
        flagged = (
            task.forget.relabelled(torch.ones_like(task.forget.labels)),
            retain.relabelled(torch.zeros_like(retain.labels)),
        )
        tempering = Tempering(frozen_teacher(model), self.alpha, self.unseen_accuracy(model, task, context))
        tempering.look(context.accuracy(model, task.forget))
        if tempering.reached:
            log.warning(
                "warning: lotus leaves the weights as they were: the forget set is known no better than val samples "
                "from the start, which is where it ends"
            )
            return deepcopy(model).eval()

        def stop(student: Classifier, step: int, pass_ended: bool) -> bool:
            if pass_ended:
                tempering.look(context.accuracy(student, task.forget))
                context.log({"lotus/temperature": tempering.temperature}, step)
            return tempering.reached

        batches = context.batches(flagged, self.recipe)
        return fit(model, batches, tempering.loss, self.recipe, context, after_step=stop, state=[tempering])

    def unseen_accuracy(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> float:
        """The original's accuracy on data it has not seen, or 0 where nothing is to be left."""
        if task.scenario == "class" or self.unseen == "nothing":
            return 0.0
        self.check(model, task)
        return context.accuracy(model, task.val)


class Tempering:
    """The loss, under a temperature that follows the student's accuracy.

    Attributes:
        temperature: τ of the present epoch.
        reached: Whether the forget set is known no better than unseen data.
    """

    def __init__(self, teacher: Classifier, alpha: float, unseen: float) -> None:
        self.teacher, self.alpha, self.unseen = teacher, alpha, unseen
        self.temperature, self.reached = 1.0, False

    def look(self, accuracy: float) -> None:
        """Set the temperature by the student's accuracy on the forget set."""
        difference = accuracy - self.unseen
        self.temperature, self.reached = math.exp(self.alpha * difference), difference <= REACHED

    def get_state(self) -> dict[str, float | bool]:
        """The temperature, and whether it is enough."""
        return {"temperature": self.temperature, "reached": self.reached}

    def set_state(self, state: dict[str, Any]) -> None:
        """As it was."""
        self.temperature, self.reached = state["temperature"], state["reached"]

    def loss(self, student: Classifier, batch: Batch) -> Tensor:
        """Cross-entropy with the targets that the labels ask for."""
        with torch.no_grad():
            target = tempered(self.teacher(batch.images).logits, batch.labels.bool(), self.temperature)
        return -(target * student(batch.images).logits.log_softmax(1)).sum(1).mean()


def tempered(logits: Tensor, smooth: Tensor, temperature: float) -> Tensor:
    """Random targets [B, C]: Gumbel-softmax at `temperature` where `smooth` (bool [B]), one-hot elsewhere."""
    soft, hard = F.gumbel_softmax(logits, tau=temperature), F.gumbel_softmax(logits, hard=True)
    return torch.where(smooth[:, None], soft, hard)
