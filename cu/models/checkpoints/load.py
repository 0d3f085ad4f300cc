"""A user's checkpoint as the weights of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from cu.errors import ConfigError
from cu.models.adapt import LastLayer
from cu.models.checkpoints.choose import Weights, choose
from cu.models.checkpoints.fitting import Fit, Misfit, fit, fitted
from cu.models.checkpoints.read import read_content
from cu.models.checkpoints.spellings import respelled
from cu.models.types import Classifier

OURS = "cu"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What was found in a user's file.

    Attributes:
        content: All of it.
        chosen: The set of weights that is used.
        fit: How its names belong to the network's.
        weights: By the network's names, in its types.
    """

    content: Any
    chosen: Weights
    fit: Fit
    weights: Mapping[str, Tensor]

    def described(self) -> str:
        """One line: what of the file is used, under whose names, and what is not."""
        chosen, found = self.chosen, self.fit
        parts = [f"the weights at {chosen.key!r}" if chosen.key else "its weights"]
        parts += [f"without the prefix {found.prefix!r}"] if found.prefix else []
        parts += [f"names as in {found.spelling}"] if found.spelling not in ("", OURS) else []
        parts += [f"{len(found.left_out)} others left out, e.g. {found.left_out[0]}"] if found.left_out else []
        if chosen.others:
            others = "|".join(other or "''" for other in chosen.others)
            parts.append(
                f"not used: {', '.join(o or 'the rest' for o in chosen.others)} (model.checkpoint_key={others})"
            )
        return ", ".join(parts)


def load_checkpoint(path: Path, key: str | None, model: Classifier, setting: str = "model.checkpoint") -> Checkpoint:
    """The weights in a user's file that belong to a network.

    Args:
        path: Of the file, or of a folder as Hugging Face writes them.
        key: Of the weights in the file; None to look for them.
        model: The network, which stays as it is.
        setting: What names the file, for messages.

    Raises:
        ConfigError: One line, in the file's own names: it cannot be read, holds no such weights, or does not fit.
    """
    what = f"{setting}={path}"
    content = read_content(path, setting)
    chosen = choose(content, key, what)
    own = model.state_dict()
    try:
        found = fit(chosen.tensors, own, spellings(model))
    except Misfit as error:
        raise ConfigError(f"{what} {error}") from error
    try:
        weights = fitted(chosen.tensors, own, found)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from error
    return Checkpoint(content, chosen, found, weights)


def spellings(model: Classifier) -> list[tuple[str, dict[str, str]]]:
    """All known ways to call a network's weights: a word for whose it is, and {theirs: own}; its own is first."""
    names = list(model.state_dict())
    ours = (OURS, {name: name for name in names})
    if not isinstance(model.head, LastLayer):
        return [ours, *respelled(names)]
    plain = plain_names(names, model.head.path)
    others = [(word, {theirs: plain[own] for theirs, own in way.items()}) for word, way in respelled(list(plain))]
    return [("", plain), ours, *others]


def plain_names(names: list[str], head: str) -> dict[str, str]:
    """{name in the user's own network: name in the adapted one}; the inverse of `adapt`."""
    last = "head.classifier."
    return {
        f"{head}.{name.removeprefix(last)}" if name.startswith(last) else name.removeprefix("encoder."): name
        for name in names
    }
