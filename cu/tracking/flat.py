"""A result as the flat mapping that trackers take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

COMPARED = ("value", "ref", "ref_std", "gap", "floor", "z", "rank_p", "original")
GROUPS = ("accuracies", "cost", "timings", "split_sizes", "seeds", "versions", "machine", "git")


def flattened(result: Any) -> dict[str, Any]:
    """Every number of a result as one flat mapping: `key` for a metric, then `ref/key`, `gap/key`, `floor/key`, ...

    Args:
        result: A `RunResult` or a `TrainResult` of `cu.store.result`.
    """
    content = asdict(result)
    about = content.pop("provenance")
    content |= {"versions": about["versions"], "machine": about["machine"]}
    content["git"] = {"commit": about["commit"], "dirty": about["dirty"]}
    flat: dict[str, Any] = {name: content[name] for name in ("fingerprint", "references") if name in content}
    for key, entry in content.get("metrics", {}).items():
        flat |= {
            key if part == "value" else f"{part}/{key}": entry[part] for part in COMPARED if entry[part] is not None
        }
    for group in GROUPS:
        entries: Mapping[str, Any] = content.get(group) or {}
        flat |= {f"{group}/{name}": value for name, value in entries.items() if value is not None}
    return flat
