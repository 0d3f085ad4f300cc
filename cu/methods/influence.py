"""Influence unlearning: one Newton-like step away from what the forget set contributed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.numerics.gradients import (
    flat,
    mean_gradient,
    plain_batches,
    sample_gradients,
    samples_at_once,
    trainable,
    unflat,
)
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Influence:
    """θ + α k, where k approximates F⁻¹ v (Koh and Liang, ICML 2017; Izzo et al., AISTATS 2021).

    v = (1/N) Σ_forget ∇ℓ - (n_f / (N n_r)) Σ_retain ∇ℓ, with N = n_f + n_r, and F = (1/n) Σ g gᵀ + λ I is the empirical
    Fisher information of n retain samples. Reads both sets; no training.

    Attributes:
        solver: `woodbury` solves for k exactly. `official` is the WoodFisher recursion of the released code of Jia et
            al. (NeurIPS 2023), to which published numbers belong: as its factors are never summed up, k leaves v only
            along the first sample's gradient, so it is nearly v itself.
        scale: α; sensible values differ by orders of magnitude between the solvers.
        samples: n, drawn at random from the retain set, or all of it if it has fewer; the released code divides by
            1,000 however many there are.
        damping: λ of `woodbury`; `official` has none.
    """

    solver: Literal["official", "woodbury"]
    scale: Annotated[float, Ge(0)]
    samples: Annotated[int, Gt(0)]
    damping: Annotated[float, Gt(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after one step."""
        with context.ledger.preparing():
            difference = self.difference(model, task, context)
            drawn = torch.randperm(len(task.retain), generator=context.generator("influence"))[: self.samples]
            rows = SampleGradients(model, task.retain.subset(drawn.to(task.retain.rows.device)), context)
            step = official(rows, difference) if self.solver == "official" else woodbury(rows, difference, self.damping)
        moved = deepcopy(model).eval()
        with torch.no_grad():
            weights = trainable(moved)
            for name, change in unflat(step, weights).items():
                weights[name].add_(change, alpha=self.scale)
        return moved

    @staticmethod
    def difference(model: Classifier, task: UnlearningTask, context: MethodContext) -> Tensor:
        """The vector v [P]: (n_f / N) times the difference of the mean gradients of the forget and the retain set."""
        share = len(task.forget) / (len(task.forget) + len(task.retain))
        forget, retain = (flat(mean_gradient(model, split, context.hardware)) for split in (task.forget, task.retain))
        return share * (forget - retain)


@dataclass(frozen=True, eq=False)
class SampleGradients:
    """The matrix G [n, P] of per-sample gradients of a split, computed in blocks of rows and never held whole."""

    model: Classifier
    split: Split
    context: MethodContext

    def __len__(self) -> int:
        return len(self.split)

    def blocks(self, stop: int | None = None) -> list[Tensor]:
        """Positions of the rows of each block that begins before `stop`."""
        return list(torch.arange(len(self))[:stop].split(samples_at_once(self.model)))

    def block(self, positions: Tensor) -> Tensor:
        """Rows [b, P] of G."""
        ((images, labels),) = plain_batches(self.split, len(positions), self.context.hardware, positions)
        return flat(sample_gradients(self.model, images, labels), lead=1)


def official(rows: SampleGradients, difference: Tensor) -> Tensor:
    """The vector k [P] of the released recursion, from k = v and o = g_1.

    For every further sample, k -= (k·g_i) / (n + o·g_i) o, then o -= (o·g_i) / (n + o·g_i) o with the same o·g_i.
    As o never leaves the line of g_1, two numbers hold the whole state: o = s g_1 and k = v + b g_1.
    """
    first, n = rows.block(torch.tensor([0]))[0], len(rows)
    products = torch.cat([rows.block(p) @ torch.stack([first, difference], 1) for p in rows.blocks()])
    s, b = 1.0, 0.0
    for along_first, along_v in products[1:].tolist():
        t = s * along_first
        b -= (along_v + b * along_first) / (n + t) * s
        s -= t / (n + t) * s
    return difference + b * first


def woodbury(rows: SampleGradients, difference: Tensor, damping: float) -> Tensor:
    """(GᵀG / n + λ I)⁻¹ v = (v - Gᵀ (λ n I + G Gᵀ)⁻¹ G v) / λ, as a vector [P]."""
    n = len(rows)
    gram, along = torch.zeros(n, n, dtype=torch.double), torch.zeros(n, dtype=torch.double)
    for these in rows.blocks():
        block = rows.block(these)
        along[these] = (block @ difference).double().cpu()
        for those in rows.blocks(stop=int(these[-1]) + 1):
            other = block if torch.equal(these, those) else rows.block(those)
            product = (block @ other.T).double().cpu()
            gram[these[0] : these[-1] + 1, those[0] : those[-1] + 1] = product
            gram[those[0] : those[-1] + 1, these[0] : these[-1] + 1] = product.T
    weights = torch.linalg.solve(gram + damping * n * torch.eye(n, dtype=torch.double), along).to(difference)
    explained = torch.zeros_like(difference)
    for these in rows.blocks():
        explained += weights[these[0] : these[-1] + 1] @ rows.block(these)
    return (difference - explained) / damping
