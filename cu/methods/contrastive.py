"""Contrastive unlearning: push forgotten embeddings from their own class, pull them towards the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from torch.nn import functional as F

from cu.data.batches.pairs import Pair, PairedBatches
from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import fit
from cu.engine.recipe import Recipe
from cu.errors import ConfigError
from cu.losses.contrastive import contrastive_unlearning_loss
from cu.methods.types import BOTH_SETS, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Contrastive:
    """Algorithm 1 of Lee et al., IJCAI 2025 (arXiv 2401.10458), with a switch wherever the released code differs.

    Attributes:
        recipe: How to descend; an epoch is one pass over the forget set, so `epochs` is the largest number of passes.
        temperature: τ of equations 5 and 6.
        forget_weight: λ_UL of equation 7.
        retain_weight: λ_CE of equation 7.
        omega: ω, retain batches per forget batch.
        reduction: `mean` over anchors, to which the released λ_UL belongs; `sum` as printed in equation 5. They
            differ by the factor of the batch size in λ_UL.
        push_weight: `equation` weighs the push term 1; `released` weighs it B_r / |N_i|.
        embedding: `signed` as the head returns it; `rectified` sets negative entries to 0, as the released code does
            by an in-place ReLU.
        normalize: Scale embeddings to unit length first; the projection head's already have it.
        retain_sampling: `random` batches as in the paper; `first` ω batches in file order as in the released code.
        retain_size: Of a retain batch beside a smaller forget batch, the last of a pass: `full`, or `equal` to that of
            the forget batch as in the released code.
        detach_retain: Stop the gradient of the contrastive term through retain embeddings.
        joint_forward: One forward pass for both batches, sharing batch statistics, as in the released code.
        stop_on: Where the stop rules (equations 8, 9) look: `val`, `test` (the paper; it peeks), or `never`.
        stop_every: Steps between looks; None for once per pass, as in the paper.
    """

    recipe: Recipe
    temperature: Annotated[float, Gt(0)]
    forget_weight: Annotated[float, Ge(0)]
    retain_weight: Annotated[float, Ge(0)]
    omega: Annotated[int, Gt(0)]
    reduction: Literal["mean", "sum"]
    push_weight: Literal["equation", "released"]
    embedding: Literal["signed", "rectified"]
    normalize: bool
    retain_sampling: Literal["random", "first"]
    retain_size: Literal["full", "equal"]
    detach_retain: bool
    joint_forward: bool
    stop_on: Literal["val", "test", "never"]
    stop_every: Annotated[int, Gt(0)] | None

    @property
    def needs(self) -> tuple[Need, ...]:
        """Both sets, and validation data where the stop rule looks at them."""
        look = Need("validation data", "method.stop_on=val", "method.stop_on to test or never")
        return (*BOTH_SETS, look) if self.stop_on == "val" else BOTH_SETS

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after at most `recipe.epochs` passes over `task.forget`, fewer if the stop rule says so."""
        pairs = PairedBatches(
            context.batches(task.forget, self.recipe),
            context.batches(task.retain, self.recipe),
            self.omega,
            self.retain_sampling,
            equal=self.retain_size == "equal",
        )
        return fit(model, pairs, self.loss, self.recipe, context, stop=self.stop_rule(task, context))

    def loss(self, model: Classifier, pair: Pair) -> Tensor:
        """Equation 7: λ_UL times the contrastive loss plus λ_CE times cross-entropy of the retain batch."""
        if self.joint_forward:
            output = model(torch.cat([pair.forget.images, pair.retain.images]))
            anchors, remain = output.embedding.split([len(pair.forget.labels), len(pair.retain.labels)])
            retain_logits = output.logits[len(pair.forget.labels) :]
        else:
            anchors = model(pair.forget.images).embedding
            kept = model(pair.retain.images)
            retain_logits, remain = kept.logits, kept.embedding
        contrast = contrastive_unlearning_loss(
            self.space(anchors),
            pair.forget.labels,
            self.space(remain.detach() if self.detach_retain else remain),
            pair.retain.labels,
            self.temperature,
            reduction=self.reduction,
            push_weight=self.push_weight,
        )
        return self.forget_weight * contrast + self.retain_weight * F.cross_entropy(retain_logits, pair.retain.labels)

    def space(self, embedding: Tensor) -> Tensor:
        """The embedding [B, D] in the space where similarities are taken."""
        unit = F.normalize(embedding, dim=1) if self.normalize else embedding
        return unit.clamp(min=0) if self.embedding == "rectified" else unit

    def stop_rule(self, task: UnlearningTask, context: MethodContext):
        """Equation 8 (class: accuracy on held-out forgotten classes <= 1/C) or 9 (sample: forget <= held-out)."""
        if self.stop_on == "never":
            return None
        held_out = held_out_split(task, self.stop_on)

        def stop(model: Classifier, step: int, pass_ended: bool) -> bool:
            due = pass_ended if self.stop_every is None else step % self.stop_every == 0
            if not due:
                return False
            seen = context.accuracy(model, held_out)
            limit = 1 / task.num_classes if task.scenario == "class" else seen
            watched = seen if task.scenario == "class" else context.accuracy(model, task.forget)
            context.log({"stop/watched_acc": watched, "stop/limit": limit}, step)
            return watched <= limit

        return stop


def held_out_split(task: UnlearningTask, name: Literal["val", "test"]) -> Split:
    """The samples a stop rule reads: of the forgotten classes in class scenarios, all of them in sample scenarios."""
    split = task.val if name == "val" else task.test
    chosen = task.of_forget_classes(split) if task.scenario == "class" else split
    if len(chosen) == 0:
        raise ConfigError(
            f"method.stop_on={name} finds no {name} samples to look at; "
            "set dataset.val_fraction above 0, or method.stop_on to test or never"
        )
    return chosen
