"""What a process does only once, done before any clock starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from cu.data.types import Split
from cu.engine.hardware import Hardware
from cu.engine.predict import evaluating
from cu.models.types import Classifier

_warm: set[tuple[object, ...]] = set()


def warm_up(
    model: Classifier,
    split: Split,
    sizes: Iterable[int],
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
    hardware: Hardware,
) -> None:
    """Take one training step and one look at each batch size on a copy of a model, unless this process already did.

    The first optimizer of a process imports half of torch, the first per-sample gradient another part, and the first
    batch of every shape makes kernels be chosen: seconds that the first job of a process would pay, and later ones
    not. Random streams are left as they were.

    Args:
        model: Left as it is.
        split: Where images come from; repeated where there are too few.
        sizes: Batch sizes.
        optimizer: Called with the parameters.
        hardware: Where to compute.
    """
    layers = tuple((name, tuple(weight.shape)) for name, weight in model.named_parameters())
    machine = (hardware.device, hardware.precision, hardware.scoring_precision, hardware.channels_last)
    # A lone image may give batch normalisation one value per channel, on which it cannot be trained.
    due = [
        size for size in sorted({max(size, 2) for size in sizes if size > 0}) if (size, layers, machine) not in _warm
    ]
    if not due or not len(split):
        return
    devices = [torch.device(hardware.device)] if hardware.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        student = deepcopy(model).train()
        steps = optimizer([weight for weight in student.parameters() if weight.requires_grad])
        for size in due:
            step(student, split, size, steps, hardware)
            _warm.add((size, layers, machine))
        per_sample_gradient()
    hardware.synchronize()


def step(model: Classifier, split: Split, size: int, optimizer: torch.optim.Optimizer, hardware: Hardware) -> None:
    """One optimizer step, then one forward pass for scoring."""
    rows = (torch.arange(size) % len(split)).to(split.rows.device)
    images = split.eval_view(rows, hardware.placement)
    with hardware.training_precision():
        loss = F.cross_entropy(model(images).logits, split.labels[rows].to(images.device))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    with evaluating(model), torch.inference_mode(), hardware.scoring():
        model(images)


def per_sample_gradient() -> None:
    """Gradients of the samples of a tiny batch, one by one."""
    layer, images = nn.Linear(2, 2), torch.zeros(2, 2)
    weights = {name: weight.detach() for name, weight in layer.named_parameters()}
    vmap(grad(lambda w, x: functional_call(layer, w, (x,)).sum()), in_dims=(None, 0))(weights, images)
