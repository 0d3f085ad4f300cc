"""Whether two folders of runs hold the same numbers, as they must after an upgrade that changes no result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cu.disk.files import Damaged, read_mapping
from cu.errors import ConfigError
from cu.store.fingerprint import fingerprint
from cu.store.identity import as_earlier

COMPARED = ("value", "ref", "ref_std", "gap", "floor", "z", "rank_p", "original")
SETTINGS = ("dataset", "model", "recipe", "scenario", "method", "reference", "seed", "forget_seed", "method_seed")
CLOCKS = ("seconds", "speedup", "mem_mb")  # what no two runs have in common


@dataclass(frozen=True)
class Differences:
    """What two folders of runs say differently.

    Attributes:
        compared: Numbers that both have.
        changed: (run, key, part, number in A, number in B), where they are not equal to the last digit.
        only_a: Runs and keys that B lacks.
        only_b: Runs and keys that A lacks.
    """

    compared: int
    changed: list[tuple[str, str, str, Any, Any]]
    only_a: list[str]
    only_b: list[str]


def differences(a: Path, b: Path) -> Differences:
    """Compare the finished runs of two outputs folders, number by number.

    Runs belong together if they have the same data set, model, recipe, scenario, method and seeds; where a class is
    defined does not matter. Times and memory are left out.

    Raises:
        ConfigError: One of them has no finished run, as a folder has none that is misspelt.
        Damaged: A record cannot be read.
    """
    first, second = dict(records(a)), dict(records(b))
    for folder, found in ((a, first), (b, second)):
        if not found:
            raise ConfigError(f"{folder} has no finished run in runs/: name an outputs folder")
    compared, changed = 0, []
    only = {"a": [name(first[k]) for k in first.keys() - second.keys()]}
    only["b"] = [name(second[k]) for k in second.keys() - first.keys()]
    for run in sorted(first.keys() & second.keys()):
        label, one, other = name(first[run]), metrics_of(first[run]), metrics_of(second[run])
        only["a"] += [f"{label}: {key}" for key in one.keys() - other.keys()]
        only["b"] += [f"{label}: {key}" for key in other.keys() - one.keys()]
        for key in sorted(one.keys() & other.keys()):
            pairs = [(part, one[key].get(part), other[key].get(part)) for part in COMPARED]
            compared += len(pairs)
            changed += [(label, key, part, x, y) for part, x, y in pairs if x != y]
    return Differences(compared, changed, sorted(only["a"]), sorted(only["b"]))


def records(outputs: Path) -> Iterator[tuple[str, Path]]:
    """The folders of finished runs below an outputs folder, by what they were told."""
    for status in sorted(outputs.glob("runs/*/*/*/*/*/status.json")):
        if (read_mapping(status) or {}).get("state") != "finished":
            continue
        try:
            config = yaml.safe_load((status.parent / "config.yaml").read_text(encoding="utf-8"))
            told = [(part, config.get(part)) for part in SETTINGS]
            known = [as_earlier(node, part) if isinstance(node, Mapping) else node for part, node in told]
            yield fingerprint(known), status.parent
        except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
            raise Damaged(f"{status.parent / 'config.yaml'} cannot be read ({error})") from error


def metrics_of(run: Path) -> Mapping[str, Mapping[str, Any]]:
    """The metrics of a finished run that are not read from a clock."""
    result = read_mapping(run / "result.json") or {}
    return {key: entry for key, entry in result.get("metrics", {}).items() if not any(clock in key for clock in CLOCKS)}


def name(run: Path) -> str:
    """A run as a reader knows it: data set, model, scenario, method."""
    return "/".join(run.parts[-5:-1])
