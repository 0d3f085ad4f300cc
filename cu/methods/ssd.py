"""Selective synaptic dampening: shrink the weights that matter more to the forget set than to all data."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Gt

from cu.data.batches.shuffled import concatenated
from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.numerics.gradients import Weights, trainable
from cu.engine.numerics.importance import importance, output_sensitivity
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class SSD:
    """Where I_f > α I_D: θ ← θ min(λ I_D / I_f, 1) (Foster, Schoepf and Brintrup, AAAI 2024, arXiv 2308.07707).

    I_f and I_D are the mean importances, squared gradients, of a weight over the forget set and over all training data.
    As the second contains the first, I_f / I_D cannot exceed N / n_f with per-sample gradients: the published α = 10
    then cannot touch one class of ten. Reads both sets; no training.

    Attributes:
        threshold: α, in `threshold_unit`; higher touches fewer weights.
        threshold_unit: `bound`, multiples of N / n_f (1 and more touch nothing with per-sample gradients), or
            `absolute`, the published unit.
        dampening: λ; higher shrinks less.
        importance: What I is the mean of. `grad2_sample`, squares of per-sample gradients, which no order of samples
            changes (`method=ssd_det`; SSD-det in arXiv 2510.26714, appendix B). `grad2_batch`, squares of gradients of
            shuffled batches as in the released code, under which one-class forget batches have far larger squares than
            mixed ones. `output`, absolute per-sample gradients of ‖f(x)‖₂², f the logits, which reads no label
            (`method=lfssd`; "Loss-Free Machine Unlearning", ICLR 2024 tiny papers, arXiv 2402.19308; its authors take
            those of the means of batches, where samples may cancel each other).
        batch_size: Of `grad2_batch`.
    """

    threshold: Annotated[float, Gt(0)]
    threshold_unit: Literal["bound", "absolute"]
    dampening: Annotated[float, Gt(0)]
    importance: Literal["grad2_sample", "grad2_batch", "output"]
    batch_size: Annotated[int, Gt(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` with some weights shrunk."""
        everything = concatenated((task.retain, task.forget))
        with context.ledger.preparing():
            to_forget, to_all = (self.measured(model, split, context) for split in (task.forget, everything))
        unit = len(everything) / len(task.forget) if self.threshold_unit == "bound" else 1.0
        dampened = deepcopy(model).eval()
        factors = dampening_factors(to_forget, to_all, self.threshold * unit, self.dampening)
        with torch.no_grad():
            for name, weight in trainable(dampened).items():
                weight.mul_(factors[name])
        touched = sum(int((factor < 1).sum()) for factor in factors.values())
        with context.ledger.paused():
            context.log({"ssd/touched_share": touched / sum(factor.numel() for factor in factors.values())}, 0)
        return dampened

    def measured(self, model: Classifier, split: Split, context: MethodContext) -> Weights:
        """Importance of every weight to a split."""
        if self.importance == "output":
            return output_sensitivity(model, split, context.hardware, squared=True)
        source = context.generator(f"ssd/{split.name}")
        return importance(model, split, self.importance, context.hardware, batch_size=self.batch_size, source=source)


def dampening_factors(to_forget: Weights, to_all: Weights, threshold: float, dampening: float) -> Weights:
    """Factors in [0, 1] by parameter; 1 where the importance to the forget set is at most `threshold` times the other.

    `threshold` is absolute here. A weight that does not matter to the forget set is never touched.
    """
    factors = {}
    for name, own in to_forget.items():
        selected = own > threshold * to_all[name]
        ratio = dampening * to_all[name] / torch.where(selected, own, 1)
        factors[name] = torch.where(selected, ratio.clamp(max=1), 1)
    return factors
