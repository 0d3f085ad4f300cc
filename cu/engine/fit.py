"""The only training loop: originals, retrained models and every method that descends go through it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cu.data.batches.shuffled import Batch, Countable, Stream
from cu.engine import team
from cu.engine.compiling import uncompiled
from cu.engine.context import MethodContext
from cu.engine.descent import Descent, Stateful
from cu.engine.freezing import frozen_norms
from cu.engine.lone_values import lone_values_allowed
from cu.engine.progress import progress
from cu.engine.recipe import Recipe
from cu.engine.sharding import shared_out
from cu.errors import ConfigError
from cu.models.types import Classifier
from cu.seeds import derive_seed

CHECK_EVERY = 20


class Diverged(RuntimeError):
    """Training left the finite numbers; the message says where."""


B = TypeVar("B", bound=Countable)
Loss = Callable[[Classifier, B], Tensor]
AfterStep = Callable[[Classifier, int, bool], bool]
AroundStep = Callable[[nn.Module, torch.optim.Optimizer, B], AbstractContextManager[None]]


def unconstrained(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Countable) -> AbstractContextManager[None]:
    """Let an optimizer step be."""
    return nullcontext()


def cross_entropy(model: Classifier, batch: Batch) -> Tensor:
    """Mean cross-entropy of a batch with its labels: the loss of ordinary training."""
    return F.cross_entropy(model(batch.images).logits, batch.labels)


def fit(
    model: Classifier,
    batches: Stream[B],
    loss: Loss[B],
    recipe: Recipe,
    context: MethodContext,
    *,
    after_step: AfterStep | None = None,
    around_step: AroundStep[B] = unconstrained,
    state: Iterable[Stateful] | None = None,
    name: str = "unlearning",
) -> Classifier:
    """Train a copy of `model` and return it in evaluation mode; the given model is left as it was.

    Parameters that need no gradient stay as they are, and so do the statistics of frozen batch normalisation. Steps
    are counted over the whole run, so that the trajectory of a method that trains several times goes on. A descent
    that was killed goes on from the last state that `context.descents` has of it.

    Args:
        model: Where to start.
        batches: One pass per epoch.
        loss: Scalar of (model, batch), minimised.
        recipe: Optimizer, schedule, epochs, clipping, batch normalisation mode.
        context: Hardware, seed, account, log, and where state is kept.
        after_step: Called with (model, steps of the run, whether a pass just ended) after each; True ends training.
        around_step: Called with (model, optimizer, batch) once gradients are there; the context it returns is open
            during clipping and the optimizer's step.
        state: What loss and hooks change on the way, empty for nothing; None if that is not known, and then a killed
            training starts again.
        name: Shown on the progress bar.

    Raises:
        ConfigError: No parameter needs a gradient.
        Diverged: When the loss or a weight is not finite.
    """
    student = context.hardware.compiled(deepcopy(model))
    team.start_alike(student)
    weights = [p for p in student.parameters() if p.requires_grad]
    if not weights:
        raise ConfigError("nothing is left to train: every weight of the network is frozen by the method's settings")
    optimizer = recipe.optimizer(weights)
    length = getattr(batches, "length", None)  # of streams whose passes differ
    lengths = [length(epoch) if length else len(batches) for epoch in range(recipe.epochs)]
    scheduler = recipe.scheduler(optimizer, lengths)
    others = None if state is None else tuple(state)
    at = Descent(name, student, optimizer, scheduler, context.ledger, context.trajectory_every, others)
    kept = context.descents.begin(at) if context.descents else None
    with progress(name, sum(lengths[at.epoch :]) - at.batch) as advance:
        while at.epoch < recipe.epochs and not at.done:
            if not at.batch:
                torch.manual_seed(derive_seed(context.seed, f"layers/{at.epoch}"))
                at.total = torch.zeros((), device=context.hardware.device)
            set_training_mode(student, recipe)
            for batch in islice(batches.epoch(at.epoch), at.batch, None):
                at.resume_streams()
                if kept:
                    kept.look()
                at.total += descend(student, batch, loss, recipe, optimizer, scheduler, context, around_step)
                at.batch += 1
                if at.batch % CHECK_EVERY == 0:
                    require_finite(at)
                advance(f"epoch {at.epoch + 1}")
                context.checkpoint_trajectory(student, context.ledger.steps)
                if after_step and team.agreed(
                    after_step(student, context.ledger.steps, at.batch == lengths[at.epoch]), context.hardware.device
                ):
                    at.done = True
                    break
            end_epoch(at, context)
    require_finite_weights(student, context.hardware.device)
    if kept:
        kept.end()
    return uncompiled(student).eval()


def end_epoch(at: Descent, context: MethodContext) -> None:
    """Look at the loss of a pass and log it; the next one begins."""
    require_finite(at)
    with context.ledger.paused():
        values = {"loss": at.total.item() / max(1, at.batch), "lr": at.optimizer.param_groups[0]["lr"]}
        context.log({**values, "epoch": at.epoch + 1}, context.ledger.steps)
    at.epoch, at.batch = at.epoch + 1, 0


def descend(
    model: Classifier,
    batch: B,
    loss: Loss[B],
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    context: MethodContext,
    around_step: AroundStep[B] = unconstrained,
) -> Tensor:
    """One optimizer step; returns the detached loss."""
    with context.hardware.training_precision(), lone_values_allowed(model), shared_out(model):
        value = loss(model, batch)
    optimizer.zero_grad(set_to_none=True)
    scaler = context.hardware.scaler_of(optimizer)
    scaler.scale(value).backward()
    team.average_gradients(model.parameters())
    scaler.unscale_(optimizer)
    with around_step(model, optimizer, batch):
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        scaler.step(optimizer)
    scaler.update()
    scheduler.step()
    context.ledger.saw(batch.counts)
    return value.detach()


def set_training_mode(model: nn.Module, recipe: Recipe) -> None:
    """Training mode, with batch normalisation kept in evaluation mode where the recipe or its layer is frozen."""
    model.train()
    for module in model.modules() if recipe.batchnorm == "frozen" else frozen_norms(model):
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def require_finite(at: Descent) -> None:
    """Raise `Diverged` unless the summed loss is finite."""
    if not math.isfinite(total := team.averaged(at.total).item()):
        raise Diverged(
            f"the loss became {total} by step {at.ledger.steps} (epoch {at.epoch + 1}); try a smaller lr or clip_norm"
        )


def require_finite_weights(model: nn.Module, device: str) -> None:
    """Raise `Diverged`, in every process of the job, unless every weight of each is finite."""
    weights = (item for item in model.state_dict().items() if item[1].is_floating_point())
    name = next((name for name, weight in weights if not torch.isfinite(weight).all()), None)
    if team.averaged(torch.tensor(float(name is not None), device=device)).item():
        where = name or "another process"
        raise Diverged(f"weights of {where} are not finite after training; try a smaller lr or clip_norm")
