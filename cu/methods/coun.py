"""CoUn: contrast between views of retain samples moves the representation of what is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt
from torch import Tensor
from torch.nn import functional as F

from cu.data.batches.views import TwoViewBatches, TwoViews
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import fit
from cu.engine.recipe import Recipe
from cu.losses.view_contrast import view_contrastive_loss
from cu.methods.types import RETAIN_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class CoUn:
    """Cross-entropy and two-view contrast on the retain set only (Khalil et al., NeurIPS 2025, arXiv 2509.16391).

    Cross-entropy sees the first view. The contrast compares embeddings of both views by their cosine; every other
    image of the batch is a negative, of the same class or not, so large batches matter. Each view has a forward pass
    of its own, which doubles the cost of fine-tuning and updates the statistics of batch normalisation twice a step.

    Attributes:
        recipe: How to descend; `augment` alone says whether images are augmented. If not, both views are the same.
        contrast_weight: λ, of the contrastive term; 0 is fine-tuning.
        temperature: τ, divides the cosines.
    """

    needs: ClassVar[tuple[Need, ...]] = RETAIN_SET

    recipe: Recipe
    contrast_weight: Annotated[float, Ge(0)]
    temperature: Annotated[float, Gt(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` trained further without ever reading `task.forget`."""
        views = TwoViewBatches(context.batches(task.retain.augmented(True), self.recipe))
        return fit(model, views, self.loss, self.recipe, context, state=())

    def loss(self, model: Classifier, views: TwoViews) -> Tensor:
        """Cross-entropy of the first view plus λ times the contrast of both."""
        output = model(views.batch.images)
        loss = F.cross_entropy(output.logits, views.batch.labels)
        if self.contrast_weight == 0:
            return loss
        second = model(views.second).embedding
        return loss + self.contrast_weight * view_contrastive_loss(output.embedding, second, self.temperature)
