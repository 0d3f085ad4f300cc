"""Forgetting in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from cu.config.contradictions import require_consistent
from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.hardware import Hardware
from cu.engine.ledger import Ledger
from cu.engine.recipe import Recipe
from cu.errors import ConfigError
from cu.methods.types import Method, check_task, needs_of, scenarios_of
from cu.models.last_layer import last_layer
from cu.models.types import Classifier
from cu.notebook.networks import classifier_of, fresh, handed_back
from cu.notebook.samples import Samples, task_of, tensors
from cu.notebook.settings import in_plain_names, method_of, recipe_of
from cu.seeds import member_seed

Account = dict[str, float]


@in_plain_names()
def unlearn(
    model: nn.Module,
    *,
    forget: Samples,
    retain: Samples,
    val: Samples | None = None,
    method: str = "contrastive",
    head: str | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    factory: Callable[[], nn.Module] | None = None,
    training: Mapping[str, Any] | None = None,
    account: Account | None = None,
    **settings: Any,
) -> nn.Module:
    """A new network of the same kind, in evaluation mode, that has forgotten; the given one stays as it is.

    Nothing is written, and torch's own random state is left alone.

    Args:
        model: Any network from images [B, C, H, W] to logits [B, C], trained on `forget` and `retain`.
        forget: A torch `Dataset` of (float image, label), or a tuple of such tensors, as the network takes them.
        retain: The rest of what it was trained on. Where no class of `forget` is left in it, whole classes go.
        val: Samples that it was not trained on, for methods that look at some.
        method: As in `cu-unlearn method=...`.
        head: Path of the network's last layer; None for its last linear layer.
        seed: Of batches and draws.
        device: `auto`, `cpu`, `cuda`, `mps`, or a device of torch.
        factory: Makes a new network, for methods that train one; None to draw the weights of a copy anew.
        training: Settings of the recipe by which such methods train, such as `{"epochs": 20, "optimizer": "adamw"}`.
        account: A dict that is filled with what it cost, which `audit` takes.
        **settings: Any setting of the method, such as `temperature=0.5` or `recipe={"epochs": 3}`.

    Raises:
        ConfigError: One line that names what is wrong and what it may be.
        Diverged: A loss or weight is not finite any more.

    A class of noise is forgotten; the network itself still knows all three:

    >>> import torch, cu
    >>> _ = torch.manual_seed(0)
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 8), torch.nn.Linear(8, 3))
    >>> images, labels = torch.randn(60, 3, 2, 2), torch.arange(60) % 3
    >>> gone = labels == 2
    >>> new = cu.unlearn(network, forget=(images[gone], labels[gone]), retain=(images[~gone], labels[~gone]),
    ...                  method="finetune", recipe={"epochs": 2}, device="cpu")
    >>> type(new).__name__, new.state_dict().keys() == network.state_dict().keys()
    ('Sequential', True)
    >>> cu.unlearn(network, forget=(images, labels), retain=(images, labels), method="finetune", epoch=3)
    Traceback (most recent call last):
    ...
    cu.errors.ConfigError: epoch is not a setting of method=finetune; it has recipe
    """
    chosen, recipe, hardware = method_of(method, settings), recipe_of(method, training or {}), hardware_of(device)
    original = classifier_of(model, head, tuple(tensors(retain, "retain")[0].shape[1:]))  # type: ignore[arg-type]
    task = task_of(forget, retain, val, None, len(last_layer(original).weight))
    check_possible(chosen, method, task)
    check_task(chosen, lambda: original, task)
    with torch.random.fork_rng():
        context = context_of(fresh(model, head, factory), seed, hardware, recipe, task)
        with context.ledger.running():
            unlearned = chosen.unlearn(hardware.place(original.eval()), task, context)
    if account is not None:
        account.update(context.ledger.cost())
    return handed_back(model, unlearned.cpu())


def check_possible(method: Method, name: str, task: UnlearningTask) -> None:
    """Check that a method is meant for the task and has what it needs.

    Raises:
        ConfigError: It is not, or has not.
    """
    require_consistent(method)
    if task.scenario not in scenarios_of(method):
        meant = " and ".join(scenarios_of(method))
        raise ConfigError(
            f"method={name} is meant for {meant} scenarios; what is to be forgotten is a {task.scenario} one"
        )
    for need in needs_of(method):
        if need.resource == "validation data" and not len(task.val):
            instead = f", or {need.instead}" if need.instead else ""
            raise ConfigError(f"method={name} needs validation data: give val={instead}")


def hardware_of(device: str | torch.device) -> Hardware:
    """Where things are computed, in float32; the process's own switches stay as they are."""
    return Hardware(
        device=str(device),
        precision="fp32",
        scoring_precision="fp32",
        channels_last=False,
        num_threads=torch.get_num_threads(),
        deterministic=True,
    ).resolved()


def context_of(
    blank: Callable[[], Classifier], seed: int, hardware: Hardware, recipe: Recipe, task: UnlearningTask
) -> MethodContext:
    """What a method is handed; a model that it has trained from scratch is trained by `recipe`."""

    def retrain(split: Split) -> tuple[Classifier, Mapping[str, float]]:
        own = context_of(blank, member_seed(seed, "retrain", 0), hardware, recipe, task)
        with own.ledger.running():
            model = fit(own.new_model(), own.batches(split, recipe), cross_entropy, recipe, own, name="training")
        return model, own.ledger.cost()

    return MethodContext(hardware, seed, blank, retrain, Ledger(hardware), task=task)
