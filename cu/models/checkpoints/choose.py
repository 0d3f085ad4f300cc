"""Which of the mappings in a file are the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from cu.errors import ConfigError, suggestion

# What weights are called in the containers that people write, the likeliest first.
USUAL = ("", *("state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "module", "state"))
AVERAGES = ("ema", "swa", "averaged", "average")
NEVER = ("optim", "scheduler", "scaler", "sampler", "rng", "callbacks", "loops", "criterion")
DEEPEST = 4


@dataclass(frozen=True, eq=False)
class Weights:
    """One set of weights in a file.

    Attributes:
        key: Where it stands in the file, with dots; empty if it is all that the file holds.
        tensors: By the names of the file.
        others: Keys of other sets of weights in the same file.
    """

    key: str
    tensors: Mapping[str, Tensor]
    others: tuple[str, ...]


def choose(content: Any, key: str | None, what: str) -> Weights:
    """The weights that `key` names, or else those that are usually meant; averaged ones only if there are no others.

    Args:
        content: Of the file, as `read_content` gives it.
        key: As in `Weights`; None to look for them.
        what: The setting and its file, for messages.

    Raises:
        ConfigError: There are none, or none of that key, or several that may be meant.
    """
    found = dict(state_dicts(content))
    if not found:
        keys = ", ".join(list(map(str, content))[:5]) if isinstance(content, Mapping) else type(content).__name__
        raise ConfigError(f"{what} holds no state_dict (a mapping of names to tensors), only: {keys or 'nothing'}")
    if key is not None and key not in found:
        hint = suggestion(key, list(found), "; did you mean {}?")
        raise ConfigError(f"model.checkpoint_key={key} is not in {what}; it has {listed(found)}{hint}")
    chosen = key if key is not None else likeliest(list(found), what)
    return Weights(chosen, found[chosen], tuple(name for name in found if name != chosen))


def likeliest(keys: list[str], what: str) -> str:
    """The key that is usually meant.

    Raises:
        ConfigError: Several are equally likely.
    """
    plain = [key for key in keys if not is_average(key)] or keys
    usual = [key for key in plain if all(part in USUAL for part in key.split("."))]
    ranked = sorted(usual, key=lambda key: [USUAL.index(part) for part in key.split(".")])
    if ranked:
        return ranked[0]
    if len(plain) > 1:
        raise ConfigError(f"{what} holds several sets of weights: say model.checkpoint_key={'|'.join(plain[:6])}")
    return plain[0]


def is_average(key: str) -> bool:
    """Whether a key speaks of averaged weights."""
    return any(word in AVERAGES for word in key.lower().replace(".", "_").split("_"))


def listed(keys: Mapping[str, Any]) -> str:
    """Keys as one reads them."""
    return ", ".join(key or "(the file itself: leave model.checkpoint_key out)" for key in keys)


def state_dicts(content: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every set of weights in a file, however deep, by its key; those of optimizers and the like left out."""
    if depth > DEEPEST:
        return
    if (own := of_module(content)) is not None:
        yield key, own
    elif isinstance(content, Mapping):
        tensors = {name: value for name, value in content.items() if isinstance(name, str) and is_weight(value)}
        if any(tensor.ndim > 1 for tensor in tensors.values()):
            yield key, tensors
        inner = {str(name): value for name, value in content.items() if not isinstance(value, Tensor)}
        yield from _inside(inner, key, depth)
    elif isinstance(content, (list, tuple)):
        yield from _inside({str(place): value for place, value in enumerate(content[:8])}, key, depth)


def _inside(parts: Mapping[str, Any], key: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    for name, value in parts.items():
        if not any(word in name.lower() for word in NEVER):
            yield from state_dicts(value, f"{key}.{name}" if key else name, depth + 1)


def is_weight(value: Any) -> bool:
    """Whether something can be one of a network's weights or buffers."""
    return isinstance(value, Tensor)


def of_module(content: Any) -> dict[str, Tensor] | None:
    """The weights of a whole pickled `torch.nn.Module`, by the names that its `state_dict()` gives; else None."""
    parts = getattr(content, "__dict__", {})
    if not {"_parameters", "_buffers", "_modules"} <= parts.keys():
        return None
    passing = parts.get("_non_persistent_buffers_set", ())
    own = {**parts["_parameters"], **{n: b for n, b in parts["_buffers"].items() if n not in passing}}
    found = {name: value.detach() for name, value in own.items() if is_weight(value)}
    for name, child in parts["_modules"].items():
        found |= {f"{name}.{inner}": value for inner, value in (of_module(child) or {}).items()}
    return found
