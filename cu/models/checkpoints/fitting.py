"""From the names in a user's file to those of a network, whatever they are wrapped in."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cu.errors import ConfigError
from cu.models.checkpoints.advice import advice

COUNTER = "num_batches_tracked"  # absent from files of before torch 0.4.1, and without effect where momentum is set
Spelt = tuple[str, Mapping[str, str]]  # a word for whose way to call weights it is, and {theirs: own}
WRAPPERS = ("_orig_mod",)  # what torch.compile puts before a module, also in the middle of a name
DEEPEST = 4  # segments of a prefix


@dataclass(frozen=True)
class Fit:
    """How the names in a file belong to those of a network.

    Attributes:
        names: {name in the file: name in the network}.
        prefix: What stands before the names in the file, with its last dot; wrappers inside them not counted.
        spelling: Whose names they are; empty for the network's own.
        left_out: Names in the file that belong to something else, such as a loss.
    """

    names: Mapping[str, str]
    prefix: str
    spelling: str
    left_out: tuple[str, ...]


def fit(theirs: Mapping[str, Tensor], own: Mapping[str, Tensor], spellings: Sequence[Spelt]) -> Fit:
    """Find prefix and spelling by which every weight of a network is in the file, in its shape.

    Args:
        theirs: Of the file.
        own: Of the network, by name.
        spellings: Ways to call the network's weights, {theirs: own}, each with a word for whose way it is.

    Raises:
        Misfit: There are none.
    """
    best: tuple[int, str, Mapping[str, str], dict[str, str]] = (-1, "", {}, {})
    for prefix in prefixes(theirs):
        inside = {unwrapped(name)[len(prefix) :]: name for name in theirs if unwrapped(name).startswith(prefix)}
        for word, spelling in spellings:
            found = {inside[name]: target for name, target in spelling.items() if name in inside}
            if complete(found, theirs, own) and len(found) == len(inside):
                rest = tuple(name for name in theirs if name not in found)
                return Fit(found, prefix, word, rest)
            if len(found) - 0.5 * (len(inside) - len(found)) > best[0]:
                best = (len(found), prefix, spelling, inside)
    raise Misfit(misfit(theirs, own, *best[1:]))


class Misfit(ConfigError):
    """The weights of a file are not those of the network; says in one line what differs and what to type."""


def complete(found: Mapping[str, str], theirs: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    """Whether every weight of the network is found, in its shape; counters of batches may be missing."""
    needed = {name for name in own if not name.endswith(COUNTER)}
    return needed <= set(found.values()) and all(theirs[a].shape == own[b].shape for a, b in found.items())


def unwrapped(name: str) -> str:
    """A name without what `torch.compile` puts into it."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def prefixes(names: Collection[str]) -> Iterator[str]:
    """Everything that may be a prefix of the network's names, the shortest first."""
    yield ""
    parts = [unwrapped(name).split(".") for name in names]
    for depth in range(1, DEEPEST + 1):
        yield from dict.fromkeys(".".join(path[:depth]) + "." for path in parts if len(path) > depth)


def fitted(theirs: Mapping[str, Tensor], own: Mapping[str, Tensor], found: Fit) -> dict[str, Tensor]:
    """The file's weights by the network's names, in its types; counters that are missing are the network's own.

    Raises:
        ConfigError: A weight is not a finite number.
    """
    weights = dict(own)
    for name, target in found.names.items():
        tensor = theirs[name]
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ConfigError(f"{name} is not finite (NaN or infinite): the training that wrote the file diverged")
        weights[target] = tensor.to(own[target].dtype)
    return weights


def given_back(weights: Mapping[str, Tensor], theirs: Mapping[str, Tensor], found: Fit) -> dict[str, Tensor]:
    """A network's weights under the names, in the order and in the types of the user's file."""
    types = {name: tensor.dtype for name, tensor in theirs.items()}
    return {
        name: weights[found.names[name]].to(types[name]).contiguous() if name in found.names else tensor
        for name, tensor in theirs.items()
    }


def misfit(
    theirs: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    prefix: str,
    spelling: Mapping[str, str],
    inside: Mapping[str, str],
) -> str:
    """What differs, in the user's names, and what to do about it."""
    by_own = {target: name for name, target in spelling.items()}
    missing = [by_own.get(n, n) for n in own if by_own.get(n, n) not in inside and not n.endswith(COUNTER)]
    unknown = [full for name, full in inside.items() if name not in spelling]
    shared = [(inside[name], target) for name, target in spelling.items() if name in inside]
    reshaped = [(a, b) for a, b in shared if theirs[a].shape != own[b].shape]
    parts = [f"{len(missing)} missing (e.g. {prefix}{missing[0]})"] if missing else []
    parts += [f"{len(unknown)} unknown (e.g. {unknown[0]})"] if unknown else []
    if reshaped:
        name, target = reshaped[0]
        shapes = f"{name}: {tuple(theirs[name].shape)} in the file, {tuple(own[target].shape)} in the network"
        parts.append(f"{len(reshaped)} of another shape (e.g. {shapes})")
    if not missing and not unknown and all(target.startswith("head.classifier.") for _, target in reshaped):
        counts = len(theirs[reshaped[0][0]]), len(own[reshaped[0][1]])
        return f"does not fit the model: the file knows {counts[0]} classes, the data set has {counts[1]} ({parts[0]})"
    hint = advice({unwrapped(name).removeprefix(prefix): tensor for name, tensor in theirs.items()}, own)
    return f"does not fit the model: {', '.join(parts)}" + (f"; {hint}" if hint else "")
