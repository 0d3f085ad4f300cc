"""The only training loop: originals, retrained models and every method that descends go through it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cu.data.batches.shuffled import Batch, Countable, Stream
from cu.engine.compiling import uncompiled
from cu.engine.context import MethodContext
from cu.engine.freezing import frozen_norms
from cu.engine.lone_values import lone_values_allowed
from cu.engine.progress import progress
from cu.engine.recipe import Recipe
from cu.models.types import Classifier
from cu.seeds import derive_seed

CHECK_EVERY = 20


class Diverged(RuntimeError):
    """Training left the finite numbers; the message says where."""


class Checkpoint(Protocol):
    """Where an interruptible training keeps its state between epochs."""

    def load(self) -> dict[str, Any] | None:
        """The last saved state, or None."""
        ...

    def save(self, state: dict[str, Any]) -> None:
        """Keep a state; a kill during the call leaves the previous one."""
        ...


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
    checkpoint: Checkpoint | None = None,
    name: str = "unlearning",
) -> Classifier:
    """Train a copy of `model` and return it in evaluation mode; the given model is left as it was.

    Parameters that need no gradient stay as they are, and so do the statistics of frozen batch normalisation. Steps
    are counted over the whole run, so that the trajectory of a method that trains several times goes on.

    Args:
        model: Where to start.
        batches: One pass per epoch.
        loss: Scalar of (model, batch), minimised.
        recipe: Optimizer, schedule, epochs, clipping, batch normalisation mode.
        context: Hardware, seed, account and log.
        after_step: Called with (model, steps of the run, whether a pass just ended) after each; True ends training.
        around_step: Called with (model, optimizer, batch) once gradients are there; the context it returns is open
            during clipping and the optimizer's step.
        checkpoint: Where state is kept after each epoch; training continues from it if it holds one.
        name: Shown on the progress bar.

    Raises:
        Diverged: When the loss or a weight is not finite.
    """
    student = context.hardware.compiled(deepcopy(model))
    optimizer = recipe.optimizer([p for p in student.parameters() if p.requires_grad])
    scheduler = recipe.scheduler(optimizer, len(batches))
    first_epoch = restore(checkpoint, student, optimizer, scheduler, context) if checkpoint else 0
    step = context.ledger.steps
    with progress(name, (recipe.epochs - first_epoch) * len(batches)) as advance:
        for epoch in range(first_epoch, recipe.epochs):
            torch.manual_seed(derive_seed(context.seed, f"layers/{epoch}"))
            set_training_mode(student, recipe)
            total, steps, stopped = torch.zeros((), device=context.hardware.device), 0, False
            for batch in batches.epoch(epoch):
                total += descend(student, batch, loss, recipe, optimizer, scheduler, context, around_step)
                step, steps = step + 1, steps + 1
                if steps % CHECK_EVERY == 0:
                    require_finite(total, epoch, step)
                advance(f"epoch {epoch + 1}")
                context.checkpoint_trajectory(student, step)
                if after_step and after_step(student, step, steps == len(batches)):
                    stopped = True
                    break
            require_finite(total, epoch, step)
            with context.ledger.paused():
                lr = optimizer.param_groups[0]["lr"]
                context.log({"loss": total.item() / max(1, steps), "lr": lr, "epoch": epoch + 1}, step)
                if checkpoint:
                    checkpoint.save(snapshot(student, optimizer, scheduler, context, epoch + 1))
            if stopped:
                break
    require_finite_weights(student)
    return uncompiled(student).eval()


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
    with context.hardware.training_precision(), lone_values_allowed(model):
        value = loss(model, batch)
    optimizer.zero_grad(set_to_none=True)
    scaler = context.hardware.scaler_of(optimizer)
    scaler.scale(value).backward()
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


def snapshot(model: nn.Module, optimizer: Any, scheduler: Any, context: MethodContext, epoch: int) -> dict[str, Any]:
    """All that is needed to continue after `epoch` epochs."""
    return {
        "epoch": epoch,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": context.hardware.scaler_of(optimizer).state_dict(),
        "scheduler": {"last_epoch": scheduler.last_epoch},
        "ledger": context.ledger.state(),
    }


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: Any, scheduler: Any, context: MethodContext) -> int:
    """Continue from a checkpoint if it holds a state; returns the number of epochs already done."""
    state = checkpoint.load()
    if state is None:
        return 0
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    if scale := state.get("scaler"):
        context.hardware.scaler_of(optimizer).load_state_dict(scale)
    scheduler.last_epoch = state["scheduler"]["last_epoch"]
    context.ledger.restore(state["ledger"])
    return state["epoch"]


def require_finite(total: Tensor, epoch: int, step: int) -> None:
    """Raise `Diverged` unless the summed loss is finite."""
    if not math.isfinite(total.item()):
        raise Diverged(
            f"the loss became {total.item()} by step {step} (epoch {epoch + 1}); try a smaller lr or clip_norm"
        )


def require_finite_weights(model: nn.Module) -> None:
    """Raise `Diverged` unless every weight is finite."""
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and not torch.isfinite(weight).all():
            raise Diverged(f"weights of {name} are not finite after training; try a smaller lr or clip_norm")
