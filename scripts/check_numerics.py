"""Whether every layer of the built-in networks computes right numbers on this CPU: forward, and both gradients.

    python scripts/check_numerics.py [--cases 200] [--seed 0] [--megapixels 0.2]

Draws cases of network (ResNet-18 and -50, VGG-16), width (8, 16, 64), channels (1, 3), side (8, 28, 32, 64), batch (1
to 130), threads (1, 2), layout and precision, and takes one step as training does. A whole network at another precision
ends elsewhere, because a ReLU that is off by a rounding error passes or stops a gradient; a layer does not. So each
convolution, normalisation and linear layer is done again in float64, channels first, on the very input and gradient
that it was given, and the distance of its output, of the gradient of its input and of that of its weights is set
against the bound of its precision. Prints the largest distance per precision, layout and kind of layer.

Under a heap checker: LD_PRELOAD=libc_malloc_debug.so.0 MALLOC_CHECK_=3 python scripts/check_numerics.py
Exit code 1 if a distance is beyond its bound.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cu.engine.layout import placed
from cu.models.resnet import ResNet
from cu.models.vgg import VGG

Precision = Literal["fp32", "bf16"]
# Relative distances in the Euclidean norm. Half a unit in the last place is 6e-8 and 4e-3; sums over a batch add to it.
BOUNDS: dict[Precision, float] = {"fp32": 1e-5, "bf16": 1e-2}
LAYERS = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
NETWORKS = {"resnet18": (ResNet, 18), "resnet50": (ResNet, 50), "vgg16": (VGG, 16)}
BATCHES = (1, 2, 3, 5, 8, 16, 17, 31, 35, 64, 100, 127, 130)


@dataclass(frozen=True)
class Case:
    """One step of one network."""

    network: str
    width: int
    channels: int
    side: int
    batch: int
    threads: int
    channels_last: bool
    precision: Precision


@dataclass(frozen=True)
class Distance:
    """How far one tensor of one layer is from its float64 value, relative to that."""

    layer: str
    kind: str
    what: str
    value: float


def cases(count: int, seed: int, megapixels: float) -> Iterator[Case]:
    """A random order of all cases whose batches have at most so many pixels times (width / 8)."""
    every = [
        Case(*values)  # pyright: ignore[reportArgumentType]
        for values in itertools.product(
            NETWORKS, (8, 16, 64), (1, 3), (8, 28, 32, 64), BATCHES, (1, 2), (False, True), ("fp32", "bf16")
        )
    ]
    random.Random(seed).shuffle(every)
    small = (case for case in every if case.batch * case.side**2 * case.width / 8 <= megapixels * 1e6)
    return itertools.islice(small, count)


def network(case: Case) -> nn.Module:
    """As `cu` builds it, placed as `cu` places it; ReLUs leave what a layer returned as it was."""
    kind, depth = NETWORKS[case.network]
    settings = kind(depth=depth, width=case.width, head="linear", dim=1)
    model = settings.build(10, (case.channels, case.side, case.side))
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    # One value per channel has no variance to normalise by.
    return placed(model, "cpu", case.channels_last).train(case.batch > 1 and case.side > 8)


def distances(case: Case, make: Callable[[Case], nn.Module] = network) -> list[Distance]:
    """Take the step of a case, then each of its layers again in float64."""
    torch.manual_seed(0)
    torch.set_num_threads(case.threads)
    model = make(case)
    layers = {name: module for name, module in model.named_modules() if isinstance(module, LAYERS)}
    before = {name: deepcopy(module) for name, module in layers.items()}
    seen: dict[str, dict[str, Tensor]] = {name: {} for name in layers}
    for name, module in layers.items():
        watch(module, seen[name])
    layout = torch.channels_last if case.channels_last else torch.contiguous_format
    images = torch.randn(case.batch, case.channels, case.side, case.side).contiguous(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16, enabled=case.precision == "bf16"):
        loss = F.cross_entropy(model(images.requires_grad_()).logits, torch.arange(case.batch) % 10)
    loss.backward()
    return [
        Distance(name, type(layer).__name__, what, value)
        for name, layer in layers.items()
        for what, value in replayed(before[name], layer, seen[name], case.precision).items()
    ]


def watch(module: nn.Module, seen: dict[str, Tensor]) -> None:
    """Keep what a layer is given and what it returns."""

    def forward(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        seen.update(input=args[0].detach().clone(), output=output.detach().clone())

    def backward(module: nn.Module, inputs: Any, outputs: Any) -> None:
        seen.update(grad_input=inputs[0].detach().clone(), grad_output=outputs[0].detach().clone())

    module.register_forward_hook(forward)
    module.register_full_backward_hook(backward)


def replayed(before: nn.Module, after: nn.Module, seen: dict[str, Tensor], precision: Precision) -> dict[str, float]:
    """Relative distances of a layer's output and gradients from those in float64, on the same input and gradient.

    In bfloat16 convolutions and linear layers round input and weights first; that rounding is not their error.
    """
    exact = deepcopy(before).double().to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    exact._forward_pre_hooks.clear()  # the input was seen after them
    exact._forward_hooks.clear()
    rounded = precision == "bf16" and not isinstance(exact, nn.BatchNorm2d)
    if rounded:
        for p in exact.parameters():
            p.data = p.data.bfloat16().double()
    given = seen["input"].bfloat16() if rounded else seen["input"]
    given = given.double().contiguous().requires_grad_()
    output = exact(given)
    output.backward(seen["grad_output"].double().contiguous())
    pairs = {"output": (seen["output"], output), "grad_input": (seen["grad_input"], given.grad)}
    pairs |= {
        f"grad_{name}": (p.grad, q.grad)
        for (name, p), (_, q) in zip(after.named_parameters(), exact.named_parameters(), strict=True)
    }
    # Gradients of a normalisation and of biases in front of one are sums that cancel: their terms are their scale.
    terms = {"grad_bias": seen["grad_output"].double()}
    if isinstance(exact, nn.BatchNorm2d):
        terms["grad_weight"] = terms["grad_bias"] * output.detach()
    sizes = {k: v.abs().sum([d for d in range(v.dim()) if d != 1]).norm().item() for k, v in terms.items()}
    return {what: apart(a, b, sizes.get(what)) for what, (a, b) in pairs.items()}


def apart(found: Tensor, exact: Tensor, size: float | None = None) -> float:
    """||found - exact|| / size, which is ||exact|| unless given; infinity where the found one is not finite."""
    size, error = exact.norm().item() if size is None else size, (found.double() - exact).norm().item()
    if error == 0:
        return 0.0
    return error / size if size > 0 and error == error else float("inf")


def main() -> int:
    """Run the cases, print what was largest, and say whether all of it was within its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of their order")
    parser.add_argument("--megapixels", type=float, default=0.2, help="largest batch, times width / 8")
    args = parser.parse_args()
    largest: dict[tuple[str, ...], float] = {}
    tried = wrong = 0
    for tried, case in enumerate(cases(args.cases, args.seed, args.megapixels), start=1):
        print(f"\r{tried}/{args.cases} {case}", end="", file=sys.stderr, flush=True)
        for found in distances(case):
            key = (case.precision, "last" if case.channels_last else "first", found.kind, found.what)
            largest[key] = max(largest.get(key, 0.0), found.value)
            if not found.value <= BOUNDS[case.precision]:
                wrong += 1
                print(f"\nbeyond the bound: {case}: {found}", flush=True)
    print(file=sys.stderr)
    for key, value in sorted(largest.items()):
        print(f"{key[0]}  channels {key[1]:5}  {key[2]:11}  {key[3]:11}  {value:.1e}")
    print(f"{tried} cases, {wrong} tensors beyond {BOUNDS}; torch {torch.__version__}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
