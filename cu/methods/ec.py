"""EC: contrastive unlearning and cross-entropy at several depths, through auxiliary heads."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from torch.nn import functional as F

from cu.data.batches.pairs import Pair, PairedBatches
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import fit
from cu.engine.predict import evaluating
from cu.engine.recipe import Recipe
from cu.engine.taps import tapped
from cu.losses.contrastive import contrastive_unlearning_loss
from cu.models.heads import ProjectionHead
from cu.models.types import Classifier, Output
from cu.seeds import derive_seed


@dataclass(frozen=True, kw_only=True)
class EraseAtTheCore:
    """Erase at the Core (Lee, Kim and Kim, arXiv 2602.05375): the loss of contrastive unlearning at every block.

    An auxiliary projection head reads the pooled output of each block of the encoder but the last, which the network's
    own head reads. Each pass over the forget set minimises

        sum over depths l of w_l (forget_weight L_UL(z_l) + retain_weight CE_l),    w_l = decay^(L - l),

    L_UL the mean over forget samples of equations 5 and 6 of arXiv 2401.10458 with unit embeddings. Auxiliary heads
    learn along and are dropped at the end. Not taken from the paper: the heads' form, and weights that fall
    geometrically away from the output.

    Attributes:
        recipe: How to descend; an epoch is one pass over the forget set.
        omega: Retain batches per forget batch.
        temperature: Of the contrastive loss.
        forget_weight: Of the contrastive terms.
        retain_weight: Of the cross-entropy terms.
        decay: Of the weight of a depth, per step away from the output.
        dim: Size of the auxiliary embeddings.
    """

    recipe: Recipe
    omega: Annotated[int, Gt(0)]
    temperature: Annotated[float, Gt(0)]
    forget_weight: Annotated[float, Ge(0)]
    retain_weight: Annotated[float, Ge(0)]
    decay: Annotated[float, Gt(0), Le(1)]
    dim: Annotated[int, Gt(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after `recipe.epochs` passes over `task.forget`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(context.seed, "ec"))
            supervised = DeeplySupervised(model, task, self.dim)
        forget, retain = (context.batches(split, self.recipe) for split in (task.forget, task.retain))
        pairs = PairedBatches(forget, retain, self.omega, "random")
        student = fit(supervised, pairs, self.loss, self.recipe, context, state=())
        return Classifier(student.encoder, student.head).eval()

    def loss(self, model: Classifier, pair: Pair) -> Tensor:
        """The weighted sum over depths, of one forward pass of both batches."""
        count, total = len(pair.forget.labels), pair.retain.images.new_zeros(())
        assert isinstance(model, DeeplySupervised)
        for distance, output in enumerate(reversed(model.depths(torch.cat([pair.forget.images, pair.retain.images])))):
            unit = F.normalize(output.embedding, dim=1)
            contrast = contrastive_unlearning_loss(
                unit[:count], pair.forget.labels, unit[count:], pair.retain.labels, self.temperature, reduction="mean"
            )
            kept = F.cross_entropy(output.logits[count:], pair.retain.labels)
            total = total + self.decay**distance * (self.forget_weight * contrast + self.retain_weight * kept)
        return total


class DeeplySupervised(Classifier):
    """A copy of a classifier with auxiliary heads behind all blocks but the last.

    Attributes:
        auxiliary: One head per block, in the order of the calls.
    """

    divides: ClassVar[bool] = True

    def __init__(self, model: Classifier, task: UnlearningTask, dim: int) -> None:
        super().__init__(deepcopy(model.encoder), deepcopy(model.head))
        device = next(model.parameters()).device
        with torch.no_grad(), evaluating(model), tapped(model) as seen:
            model(task.retain.eval_view(torch.zeros(2, dtype=torch.long, device=task.retain.rows.device)).to(device))
        widths = [block.shape[1] for block in seen[:-1]]
        self.auxiliary = nn.ModuleList(ProjectionHead(width, task.num_classes, dim) for width in widths).to(device)

    def depths(self, images: Tensor) -> list[Output]:
        """Outputs at every depth, that of the network itself last."""
        with tapped(self) as seen:
            output = self(images)
        with torch.autocast(device_type=images.device.type, enabled=False):
            return [*(head(block) for head, block in zip(self.auxiliary, seen[:-1], strict=True)), output]
