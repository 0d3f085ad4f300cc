"""LCODEC: remove samples one by one with a damped step on the few filters their loss depends on."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor
from torch.nn import functional as F

from cu.data.batches.shuffled import concatenated
from cu.data.types import ScenarioKind, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.numerics.dependence import select
from cu.engine.numerics.filters import Row, filter_activations, filter_rows, joined, read_rows, write_rows
from cu.engine.numerics.gradients import batch_gradient, mean_gradient, plain_batches, trainable
from cu.engine.numerics.secant import Secant, damped_solve, secant
from cu.engine.predict import SCORING_BATCH
from cu.engine.progress import progress
from cu.errors import ConfigError
from cu.methods.types import BOTH_SETS, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class LCODEC:
    """Deep unlearning via randomized conditionally independent Hessians (Mehta et al., CVPR 2022).

    For every forget sample: perturb it with noise, choose the filters whose mean activation the loss depends on
    (FOCI; none if the best dependence is not positive), and move their weights and biases w by
    (H + λ I)⁻¹ ∇ℓ / (n - 1), with H = (n H_D - H_x) / (n - 1) and rank-one secants H = Δg Δgᵀ / ‖Δw‖₁ of the training
    data D and of the sample x; then add noise. The cost grows with the number of samples, each of which needs
    `perturbations` forward passes: it is meant for few.

    What the step is: Newton's in name. The secants' squared norms are about 10⁻⁶, four orders below λ, so that the
    step is gradient ascent on the sample's loss by 1 / (λ (n - 1)) on the chosen filters, to seven digits of cosine.

    A substitute: the paper takes H_D from gradients and weights saved in the last two epochs of training. A stored
    original has none, so here H_D is the secant of one gradient step of size `step` at the original, on all training
    data, as H_x is one on the sample. (In the released code the second gradient of H_x is the first, so H_x is 0.)

    Attributes:
        perturbations: Noisy copies of each sample.
        perturbation: Standard deviation of their noise, in units of normalised pixels.
        candidates: How many filters, those of highest unconditional dependence, the selection looks at.
        damping: λ.
        step: Learning rate of the gradient steps behind the secants.
        epsilon: ε of the noise that hides what is left, σ = 2 M sqrt(2 ln(1.25 / δ)) / (n² λ³ ε) with M = 1/4; None for
            no noise. It falls with n² and λ³: 0.006 for 50 000 samples and λ = 0.01, but destructive for 1 000.
        delta: δ of that noise.
        activations: As FOCI sees them: `standardised`, so that no filter outweighs the others in a distance, or `raw`,
            as in the released code, which finds other filters.
        max_accuracy_drop: A removal that leaves validation accuracy lower by more is undone; None to accept all.
        undo_against: Lower than that of the `original`, or of the last `accepted` model as in the released code, whose
            small losses may add up.
    """

    scenarios: ClassVar[tuple[ScenarioKind, ...]] = ("sample",)

    perturbations: Annotated[int, Gt(2)]
    perturbation: Annotated[float, Gt(0)]
    candidates: Annotated[int, Gt(0)]
    damping: Annotated[float, Gt(0)]
    step: Annotated[float, Gt(0)]
    epsilon: Annotated[float, Gt(0)] | None
    delta: Annotated[float, Gt(0), Lt(1)]
    activations: Literal["standardised", "raw"]
    max_accuracy_drop: Annotated[float, Ge(0)] | None
    undo_against: Literal["original", "accepted"]

    @property
    def needs(self) -> tuple[Need, ...]:
        """Both sets, and validation data where removals may be undone."""
        seen = Need("validation data", f"method.max_accuracy_drop={self.max_accuracy_drop}", "that to null")
        return BOTH_SETS if self.max_accuracy_drop is None else (*BOTH_SETS, seen)

    def check(self, model: Classifier, task: UnlearningTask) -> None:
        """Where removals may be undone, their cost can be seen."""
        if self.max_accuracy_drop is not None and not len(task.val):
            raise ConfigError(
                "method.max_accuracy_drop has no val samples to look at; "
                "set dataset.val_fraction above 0, or method.max_accuracy_drop to null"
            )

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after one removal per sample of `task.forget`, less those undone."""
        self.check(model, task)
        everything, student = concatenated((task.retain, task.forget)), deepcopy(model).eval()
        with context.ledger.preparing():
            data = secant(model, lambda at: mean_gradient(at, everything, context.hardware), self.step)
        undone, accepted = 0, None if self.max_accuracy_drop is None else context.accuracy(model, task.val)
        with progress("unlearning", len(task.forget)) as advance:
            for number, (image, label) in enumerate(plain_batches(task.forget, 1, context.hardware)):
                source = context.generator(f"lcodec/{number}")
                before = self.remove(student, image, label, data, len(everything), source)
                if accepted is not None and self.max_accuracy_drop is not None:
                    reached = context.accuracy(student, task.val)
                    if reached < accepted - self.max_accuracy_drop:
                        write_rows(student, before)
                        undone += 1
                    elif self.undo_against == "accepted":
                        accepted = reached
                advance("")
        with context.ledger.paused():
            context.log({"lcodec/undone": undone}, len(task.forget))
        return student

    def remove(
        self, model: Classifier, image: Tensor, label: Tensor, data: Secant, n: int, source: torch.Generator
    ) -> dict[Row, Tensor]:
        """Update `model` itself for one sample (a batch of one); returns the changed rows as they were."""
        rows = self.select_rows(model, image, label, source)
        before = read_rows(trainable(model), rows)
        if not rows:
            return before
        sample = secant(model, lambda at: batch_gradient(at, image, label), self.step)
        factors = torch.stack([data.factor(rows), sample.factor(rows)], 1)
        coefficients = factors.new_tensor([n / (n - 1), -1 / (n - 1)])
        gradient = joined(read_rows(sample.gradient, rows)).double()
        change = damped_solve(factors, coefficients, self.damping, gradient) / (n - 1)
        noise = torch.randn(len(change), generator=source, dtype=torch.double).to(change)
        moved = joined(before) + (change + self.noise_scale(n) * noise).to(joined(before))
        sizes = [weights.numel() for weights in before.values()]
        write_rows(model, {r: p.view_as(before[r]) for r, p in zip(rows, moved.split(sizes), strict=True)})
        return before

    def select_rows(self, model: Classifier, image: Tensor, label: Tensor, source: torch.Generator) -> list[Row]:
        """Rows (parameter name, row) of the filters that the loss of noisy copies of a sample depends on."""
        activations, losses = [], []
        for count in torch.arange(self.perturbations).split(SCORING_BATCH):
            noise = torch.randn(len(count), *image.shape[1:], generator=source).to(image)
            means, logits = filter_activations(model, image + self.perturbation * noise)
            activations.append(means)
            losses.append(F.cross_entropy(logits, label.expand(len(count)), reduction="none"))
        rows, columns = filter_rows(model), torch.cat(activations).cpu().numpy()
        outcome, scale = torch.cat(losses).detach().cpu().numpy(), self.activations == "standardised"
        chosen = select(outcome, columns, self.candidates, standardise=scale)
        return [row for column in chosen for row in rows[column]]

    def noise_scale(self, n: int) -> float:
        """σ, the standard deviation of the noise on the chosen weights after a removal from n samples."""
        if self.epsilon is None:
            return 0.0
        sensitivity = 2 * 0.25 / (n**2 * self.damping**3)
        return sensitivity / self.epsilon * math.sqrt(2 * math.log(1.25 / self.delta))
