"""Contrastive unlearning: push forgotten embeddings from their own class, pull them towards the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from torch.nn import functional as F

from cu.config.contradictions import require_consistent
from cu.data.batches.pairs import Pair, PairedBatches
from cu.data.types import Split, UnlearningTask
from cu.engine.best_weights import BestWeights
from cu.engine.context import MethodContext
from cu.engine.fit import fit, unconstrained
from cu.engine.key_queue import KeyQueue
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
        stop_on: Where the stop rules (equations 8, 9) look: `val`, `test` (the paper; it peeks), or `never`. Of samples
            with swapped labels (`scenario=confusion`) equation 9 holds from the start: set `never` there.
        stop_every: Steps between looks, beside that at the end of each pass; None for that one alone, as in the paper.
        keep_best: Do all passes and return the weights of the look at which held-out accuracy was best: that of the
            retained classes minus that of the forgotten ones; in sample scenarios that of all minus how far the forget
            set's is from it.
        queue: How many embeddings of earlier retain batches, by a momentum encoder, anchors are compared with; 0 for
            those of the batch itself. No gradient flows into them, and forget samples are never among them.
        momentum: Of the encoder of the queue.
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
    keep_best: bool
    queue: Annotated[int, Ge(0)]
    momentum: Annotated[float, Ge(0), Le(1)]

    @property
    def needs(self) -> tuple[Need, ...]:
        """Both sets, and validation data where the stop rule looks at them."""
        look = Need("validation data", "method.stop_on=val", "method.stop_on to test or never")
        return (*BOTH_SETS, look) if self.stop_on == "val" else BOTH_SETS

    def contradictions(self, at: str) -> Iterator[str]:
        """Weights are kept at looks."""
        if self.keep_best and self.stop_on == "never":
            yield f"{at}.keep_best=true has to look somewhere; set {at}.stop_on to val or test"

    def check(self, model: Classifier, task: UnlearningTask) -> None:
        """The stop rule finds samples to look at."""
        if self.stop_on != "never":
            held_out_split(task, self.stop_on)

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after at most `recipe.epochs` passes over `task.forget`, fewer if the stop rule says so."""
        require_consistent(self)
        pairs = PairedBatches(
            context.batches(task.forget, self.recipe),
            context.batches(task.retain, self.recipe),
            self.omega,
            self.retain_sampling,
            equal=self.retain_size == "equal",
        )
        keys = KeyQueue(model, self.queue, self.momentum) if self.queue else None
        best = BestWeights() if self.keep_best else None
        student = fit(
            model,
            pairs,
            partial(self.loss, keys=keys),
            self.recipe,
            context,
            after_step=self.stop_rule(task, context, best),
            around_step=keys.following if keys else unconstrained,
            state=[part for part in (keys, best) if part],
        )
        return best.put_back(student) if best else student

    def loss(self, model: Classifier, pair: Pair, keys: KeyQueue | None = None) -> Tensor:
        """Equation 7: λ_UL times the contrastive loss plus λ_CE times cross-entropy of the retain batch.

        With a queue, the retain batch is put in first, and the contrastive loss sees what is there.
        """
        if self.joint_forward:
            output = model(torch.cat([pair.forget.images, pair.retain.images]))
            anchors, remain = output.embedding.split([len(pair.forget.labels), len(pair.retain.labels)])
            retain_logits = output.logits[len(pair.forget.labels) :]
        else:
            anchors = model(pair.forget.images).embedding
            kept = model(pair.retain.images)
            retain_logits, remain = kept.logits, kept.embedding
        labels = pair.retain.labels
        if keys:
            keys.put(pair.retain)
            remain, labels = keys.keys()
        contrast = contrastive_unlearning_loss(
            self.space(anchors),
            pair.forget.labels,
            self.space(remain.detach() if self.detach_retain else remain),
            labels,
            self.temperature,
            reduction=self.reduction,
            push_weight=self.push_weight,
        )
        return self.forget_weight * contrast + self.retain_weight * F.cross_entropy(retain_logits, pair.retain.labels)

    def space(self, embedding: Tensor) -> Tensor:
        """The embedding [B, D] in the space where similarities are taken."""
        unit = F.normalize(embedding, dim=1) if self.normalize else embedding
        return unit.clamp(min=0) if self.embedding == "rectified" else unit

    def stop_rule(self, task: UnlearningTask, context: MethodContext, best: BestWeights | None = None):
        """Equation 8 (class: accuracy on held-out forgotten classes <= 1/C) or 9 (sample: forget <= held-out).

        With `best`, it never stops and keeps the best weights there.
        """
        if self.stop_on == "never":
            return None
        held_out = held_out_split(task, self.stop_on)
        kept = retained(task, task.val if self.stop_on == "val" else task.test)

        def stop(model: Classifier, step: int, pass_ended: bool) -> bool:
            if not (pass_ended or (self.stop_every and step % self.stop_every == 0)):
                return False
            seen = context.accuracy(model, held_out)
            limit = 1 / task.num_classes if task.scenario == "class" else seen
            watched = seen if task.scenario == "class" else context.accuracy(model, task.forget)
            context.log({"stop/watched_acc": watched, "stop/limit": limit}, step)
            if best is None:
                return watched <= limit
            apart = watched if task.scenario == "class" else abs(watched - seen)
            best.look(model, context.accuracy(model, kept) - apart)
            return False

        return stop


def retained(task: UnlearningTask, split: Split) -> Split:
    """The samples of a split whose class is not forgotten."""
    gone = torch.tensor(task.forget_classes, dtype=torch.long, device=split.labels.device)
    return split.subset(~torch.isin(split.labels, gone))


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
