"""Labels that tell apart runs of one method, or of one data set, whose settings differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

Flat = Mapping[str, str]

# What belongs to a table as a whole, and what belongs to one of its rows.
SHARED_SETTINGS = ("dataset", "model", "recipe", "scenario", "revision")
METHOD_SETTINGS = ("method", "reference", "hardware.precision")
# Seeds make replicates; the others say where data lies, not what it is.
MANY = 3  # settings in a label, at most, if they have a name together
_NOT_SETTINGS = {"seed", "forget_seed", "method_seed", "root", "download"}


def flatten(config: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Dotted keys and values as text, as one would type them on the command line; lists stay whole."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = _text(value)
    return flat


def _text(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    return str(value)


def differing(flats: Sequence[Flat], sections: Iterable[str]) -> list[str]:
    """The keys below `sections` that do not have one value in all of `flats`, in the order of the config."""
    sections = tuple(sections)
    keys = dict.fromkeys(key for flat in flats for key in flat)
    return [
        key
        for key in keys
        if key.rsplit(".", 1)[-1] not in _NOT_SETTINGS
        and any(key == section or key.startswith(f"{section}.") for section in sections)
        and len({flat.get(key) for flat in flats}) > 1
    ]


def shared_labels(flats: Sequence[Flat]) -> list[str]:
    """One label per run of the same data set, model and scenario, such as `dataset.train_size=20000`.

    A setting of the data that only repeats the recipe's (`augment`) is left out.
    """
    keys = [key for key in differing(flats, SHARED_SETTINGS) if not _repeats(flats, key, "dataset.", "recipe.")]
    return [_label(flat, keys) for flat in flats]


def method_labels(flats: Sequence[Flat]) -> list[str]:
    """One label per run of the same method on the same data, such as `temperature=0.5, recipe.epochs=3`.

    A setting that only repeats a shared one (retraining uses the original's recipe) is already in the shared label.
    Where many settings differ, and an experiment has a name for each combination (`trial=plain`), that name tells more.
    """
    keys = [key for key in differing(flats, METHOD_SETTINGS) if not _repeats(flats, key, "method.", "")]
    labels = [_label(flat, keys) for flat in flats]
    return _names(flats, labels) if len(keys) > MANY else labels


def _names(flats: Sequence[Flat], labels: Sequence[str]) -> list[str]:
    """The trials' names, if each stands for one label and each label has one; else the labels."""
    names = [_label(flat, ["trial"]) for flat in flats]
    pairs = set(zip(names, labels, strict=True))
    return names if all(names) and len(pairs) == len(set(names)) == len(set(labels)) else list(labels)


def _repeats(flats: Sequence[Flat], key: str, prefix: str, source: str) -> bool:
    if not key.startswith(prefix):
        return False
    origin = source + key.removeprefix(prefix)
    return origin.startswith(SHARED_SETTINGS) and all(flat.get(key) == flat.get(origin) for flat in flats)


def _label(flat: Flat, keys: Iterable[str]) -> str:
    return ", ".join(f"{key.removeprefix('method.')}={flat[key]}" for key in keys if key in flat)


def natural(label: str) -> list[tuple[int, float, str]]:
    """A sort key that puts `lr=9` before `lr=10` and `lr=1e-3` before `lr=0.01`."""
    parts = re.split(r"((?<![\w.])\d+\.?\d*(?:e[+-]?\d+)?)", label)
    return [(0, float(part), "") if i % 2 else (1, 0.0, part) for i, part in enumerate(parts)]
