"""A result as the flat mapping that trackers take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flattened(result: Mapping[str, Any]) -> dict[str, Any]:
    """Every number of a result as one flat mapping: `key` for a metric, then `ref/key`, `gap/key`, `floor/key`, ..."""
    flat: dict[str, Any] = {name: result[name] for name in ("fingerprint", "references") if name in result}
    for key, entry in result.get("metrics", {}).items():
        for part in ("value", "ref", "ref_std", "gap", "floor", "z", "rank_p", "original"):
            if entry.get(part) is not None:
                flat[key if part == "value" else f"{part}/{key}"] = entry[part]
    for group in ("accuracies", "cost", "timings", "split_sizes", "seeds", "versions", "machine", "git"):
        entries = (result.get(group) or {}).items()
        flat.update({f"{group}/{name}": value for name, value in entries if value is not None})
    return flat
