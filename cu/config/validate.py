"""Check settings against the annotations of what they build, before anything is built or read."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, get_type_hints

from cu.errors import ConfigError, first_line, suggestion

HYDRA_KEYS = frozenset({"_target_", "_partial_", "_convert_", "_recursive_"})
WORDS = {
    "Input should be": "must be",
    "Field required": "must have more items",
    "Tuple should have": "must have",
    "List should have": "must have",
    " after validation": "",
    "a valid integer": "an integer",
    "a valid array": "a list",
    "a valid ": "a ",
}


def check(node: Any, key: str, supplied: frozenset[str] = frozenset()) -> None:
    """Check every object named by `_target_` in a plain config, however deep.

    Args:
        node: A plain container (no interpolations left).
        key: Where the node stands, for messages: `method`, `method.recipe`.
        supplied: Arguments that the runner adds later and the config need not hold.

    Raises:
        ConfigError: One line that names the first wrong key and what it may be.
    """
    if isinstance(node, Mapping):
        if "_target_" in node:
            check_target(node, key, supplied)
        for name, value in node.items():
            check(value, f"{key}.{name}")
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for position, value in enumerate(node):
            check(value, f"{key}[{position}]")


def check_target(node: Mapping[str, Any], key: str, supplied: frozenset[str]) -> None:
    """Check the settings of one object against its signature."""
    target = locate(node["_target_"], key)
    hints, required = parameters(target, bool(node.get("_partial_", False)))
    given = {name: value for name, value in node.items() if name not in HYDRA_KEYS}
    for name, value in given.items():
        if name not in hints:
            hint = suggestion(name, hints, "; did you mean {!r}?") or f"; it has {', '.join(sorted(hints))}"
            raise ConfigError(f"{key}.{name} is not a setting of {node['_target_']}{hint}")
        if not (isinstance(value, Mapping) and "_target_" in value):
            check_value(value, hints[name], f"{key}.{name}")
    for name in sorted(required - set(given) - supplied):
        raise ConfigError(f"{key}.{name} is missing; {node['_target_']} needs it")


def check_value(value: Any, hint: Any, key: str) -> None:
    """Check one value against one annotation, ranges included."""
    from pydantic import ValidationError

    if value == "???":
        raise ConfigError(f"{key} must be given, e.g. {key}=...")
    try:
        adapter(hint).validate_json(as_json(value), strict=True)
    except ValidationError as error:
        reasons = [e for e in error.errors() if e["type"] != "none_required"] or error.errors()
        texts = dict.fromkeys(reworded(e["msg"]) for e in reasons)
        raise ConfigError(f"{key} {' or '.join(texts)}, got {value!r}") from None
    if not is_finite(value):
        raise ConfigError(f"{key} must be finite, got {value!r}")


def is_finite(value: Any) -> bool:
    """Whether no number in a value, however deep, is infinite or not a number."""
    if isinstance(value, Mapping):
        return all(map(is_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def reworded(message: str) -> str:
    """What pydantic says of a value, in the words of a config."""
    for theirs, ours in WORDS.items():
        message = message.replace(theirs, ours)
    return re.sub(r"Predicate '(\w+)' failed", lambda found: "is not " + found[1].replace("_", " "), message).rstrip(
        "."
    )


def as_json(value: Any) -> str:
    """A value as JSON, so that lists pass for tuples while text never passes for a number."""
    import json

    return json.dumps(value)


@lru_cache(maxsize=256)
def adapter(hint: Any):
    """A pydantic validator of an annotation; unknown classes are accepted as they come."""
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # dataclasses and models bring their own configuration
        return TypeAdapter(hint)


def locate(path: str, key: str) -> Any:
    """The object at a dotted path."""
    try:
        module, _, name = path.rpartition(".")
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{key}._target_={path} cannot be imported ({first_line(error)})") from error


def parameters(target: Any, partial: bool) -> tuple[dict[str, Any], set[str]]:
    """The annotations of a dataclass's fields or a function's arguments, and which of them must be given.

    Of a `partial` target, arguments that may be positional are left to whoever calls it.
    """
    if is_dataclass(target):
        hints = get_type_hints(target, include_extras=True)
        own = [f for f in fields(target) if f.init]
        needed = {f.name for f in own if f.default is MISSING and f.default_factory is MISSING}
        return {f.name: hints[f.name] for f in own}, needed
    signature = inspect.signature(target)
    hints = get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    named = {name: p for name, p in signature.parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    needed = {n for n, p in named.items() if p.default is p.empty and not (partial and p.kind != p.KEYWORD_ONLY)}
    return {name: hints.get(name, Any) for name in named}, needed
