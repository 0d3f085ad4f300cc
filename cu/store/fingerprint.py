"""Plain content as a hash that survives moved code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cu.config.component import Component
from cu.store.sources import sources_of


def fingerprint(content: Any) -> str:
    """16 hexadecimal digits of a hash of plain content (dicts, lists, numbers, strings, None); 1.0 counts as 1."""
    text = json.dumps(canonical(content), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def canonical(content: Any) -> Any:
    """Plain content with whole floats as integers (`lr=1` and `lr=1.0` give the same model) and stable class names."""
    if isinstance(content, Component):
        return canonical(content.node)
    if isinstance(content, Mapping):
        named = stable_name(content["_target_"]) if "_target_" in content else {}
        return {**named, **{key: canonical(value) for key, value in content.items() if key != "_target_"}}
    if isinstance(content, (list, tuple)):
        return [canonical(value) for value in content]
    return int(content) if isinstance(content, float) and content.is_integer() else content


def stable_name(target: str) -> dict[str, str]:
    """What stands for a dotted path: the name of the class, with hashes of its source where it is the user's."""
    module, _, name = target.rpartition(".")
    if module.split(".")[0] == "cu":
        return {"_name_": name}
    return {"_name_": name, **sources_of(module)}
