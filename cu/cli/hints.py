"""Where a setting is that somebody looked for in the wrong place."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cu.errors import suggestion


def deeper(node: DictConfig, parent: str, leaf: str) -> str | None:
    """The shallowest setting called `leaf` below a place of the config: `method.recipe.optimizer.lr`."""
    found = sorted(_named(node, parent, leaf), key=lambda key: (key.count("."), key))
    return found[0] if found else None


def _named(node: Any, place: str, leaf: str) -> Iterator[str]:
    if isinstance(node, DictConfig):
        for name in node:
            inner = node._get_node(name)
            if name == leaf:
                yield f"{place}.{name}"
            yield from _named(inner, f"{place}.{name}", leaf)


def options_with(group: str, leaf: str, folders: Sequence[Path]) -> list[str]:
    """The options of a group that have a setting."""
    found = set()
    for folder in folders:
        for path in (folder / group).rglob("*.yaml"):
            content = OmegaConf.load(path)
            if isinstance(content, DictConfig) and leaf in list(content):  # also where it has no default
                found.add(path.relative_to(folder / group).with_suffix("").as_posix())
    return sorted(found)


def elsewhere(key: str, value: str, node: DictConfig, folders: Sequence[Path]) -> str:
    """A hint at the place where a misplaced setting is, ending in `? `; empty if there is none.

    Args:
        key: As typed, such as `scenario.file`.
        value: As typed.
        node: The config where `key` should be.
        folders: Of configs.
    """
    parent, _, leaf = key.rpartition(".")
    if (inside := deeper(node, parent, leaf)) is not None:
        return f"did you mean {inside!r}? "
    if "." not in parent and (options := options_with(parent, leaf, folders)):
        first, *others = options
        more = f" (so {'has' if len(others) == 1 else 'have'} {', '.join(others)})" if others else ""
        return f"did you mean {shlex.join([f'{parent}={first}', f'{key}={value}'])}?{more} "
    return ""


def close(leaf: str, known: Sequence[str], parent: str) -> str:
    """A hint at a setting whose name is similar; empty if there is none."""
    return suggestion(leaf, known, f"did you mean '{parent}{'.' * bool(parent)}{{}}'? ")
