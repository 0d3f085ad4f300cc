"""Run folders as two tidy tables: one row per run, and one row per run and metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from cu.reporting.collect.folder import RunFolder, read_folder, run_folders
from cu.reporting.collect.images import images_of
from cu.reporting.collect.labels import method_labels, shared_labels
from cu.reporting.collect.matching import agrees
from cu.store.result import Provenance

SEEDS = ["seed", "forget_seed", "method_seed"]
TABLE = ["dataset", "model", "scenario", "data_setting"]
CELL = [*TABLE, "method", "setting"]
# The yardsticks of a table: shown first; they never compete with the methods.
YARDSTICKS = ("retrain", "original")
# Methods that do not try to unlearn: they may tie with others, but a table never marks them as the closest.
NULL_BASELINES = ("head_only", "logit_mask", "untrained", "statistics_only")
NUMBERS = ["value", "ref", "ref_std", "gap", "floor", "z", "original", "margin"]
_RUN = [*CELL, "recipe", "kind", *SEEDS, "state", "error", "duplicate", "fingerprint", "commit", "torch", "path"]
_VALUE = [*CELL, "recipe", *SEEDS, "key", *NUMBERS, "references", "images", "direction", "status", "note", "version"]
_VALUE += ["fingerprint", "commit"]


@dataclass(frozen=True)
class Collection:
    """Everything below `outputs/runs`.

    Attributes:
        values: One row per finished run and metric: the numbers of a `Comparison`, the number of retrained models
            (`references`) and of `images` behind a share; `note` is what a metric says about its own value.
        runs: One row per run folder. `state` is that of `status.json`, or `unreadable`; `data_setting` and `setting`
            name the settings in which runs differ (of the data, of the method); `duplicate` marks runs that no
            setting tells apart from another one with the same seeds.
    """

    values: pd.DataFrame
    runs: pd.DataFrame


def collect(outputs: Path, where: Mapping[str, Any] | None = None) -> Collection:
    """Read every run folder; one that is broken or unfinished becomes a row of `runs` that says why.

    Runs that do not have the settings `where` are left out, unless theirs cannot be read.
    """
    found = (read_folder(folder) for folder in run_folders(outputs / "runs"))
    folders = [folder for folder in found if folder.settings is None or agrees(folder.settings, where or {})]
    runs = _label(pd.DataFrame([_row(folder) for folder in folders], columns=_RUN), folders)
    for name in SEEDS:
        runs[name] = runs[name].astype("Int64")
    return Collection(values=_values(runs, folders), runs=runs)


def _row(folder: RunFolder) -> dict[str, Any]:
    dataset, model, scenario, method, fingerprint = folder.path.parts[-5:]
    result, provenance = folder.result, folder.result.provenance if folder.result else None
    return {
        **{"dataset": dataset, "model": model, "scenario": scenario, "method": method, "fingerprint": fingerprint},
        **{name: getattr(folder.seeds, name, None) for name in SEEDS},
        "recipe": result.names.get("recipe") if result else None,
        "kind": result.scenario if result else None,
        "state": folder.state,
        "error": folder.reason,
        "commit": _commit(provenance) if provenance else None,
        "torch": provenance.versions.get("torch") if provenance else None,
        "path": str(folder.path),
    }


def _commit(provenance: Provenance) -> str | None:
    commit = provenance.commit
    return f"{commit}+dirty" if commit and provenance.dirty else commit


def _label(runs: pd.DataFrame, folders: list[RunFolder]) -> pd.DataFrame:
    settings = [folder.settings for folder in folders]
    known = pd.Series([own is not None for own in settings], index=runs.index, dtype=bool)
    for column, by, labels in (
        ("data_setting", ["dataset", "model", "scenario"], shared_labels),
        ("setting", ["dataset", "model", "scenario", "method"], method_labels),
    ):
        told: list[str | None] = [None] * len(runs)
        places: dict[tuple, list[int]] = {}
        for i, name in enumerate(runs.loc[:, by].itertuples(index=False, name=None)):
            places.setdefault(name, []).append(i)
        for group in places.values():
            readable = [i for i in group if settings[i] is not None]
            for i, label in zip(readable, labels([own for i in readable if (own := settings[i])]), strict=True):
                told[i] = label
            # A run without a readable config belongs where its kind has only one place, else nowhere we know.
            only = _only({told[i] for i in readable})
            for i in set(group) - set(readable):
                told[i] = only
        runs[column] = pd.Series(told, index=runs.index, dtype=object)
    runs["duplicate"] = known & runs.duplicated([*CELL, *SEEDS], keep=False)
    apart = [", ".join(filter(None, (s, f"fingerprint={f}"))) for s, f in zip(runs.setting, runs.fingerprint)]  # noqa: B905
    runs["setting"] = runs["setting"].where(~runs["duplicate"], pd.Series(apart, index=runs.index, dtype=object))
    return runs


def _only(labels: set[str | None]) -> str:
    return "" if not labels else str(*labels) if len(labels) == 1 else "settings unknown"


def _values(runs: pd.DataFrame, folders: list[RunFolder]) -> pd.DataFrame:
    values = pd.DataFrame(list(_measured(runs, folders)), columns=_VALUE)
    values[NUMBERS] = values[NUMBERS].astype(float).replace([float("inf"), -float("inf")], float("nan"))
    values[SEEDS] = values[SEEDS].astype("Int64")
    ok = values["status"] == "ok"
    values.loc[ok & values["value"].isna(), "status"] = "undefined"
    values.loc[~ok, "value"] = float("nan")
    values["gap"] = values["gap"].fillna(values["value"] - values["ref"]).where(values["value"].notna())
    return values


def _measured(runs: pd.DataFrame, folders: list[RunFolder]) -> Iterator[tuple]:
    images = lru_cache(maxsize=None)(lambda key, sizes: images_of(key, dict(sizes)))
    shared = runs.loc[:, [*CELL, "recipe", *SEEDS]].itertuples(index=False, name=None)
    ends = runs.loc[:, ["fingerprint", "commit"]].itertuples(index=False, name=None)
    for folder, own, end in zip(folders, shared, ends, strict=True):
        if (result := folder.result) is None:
            continue
        sizes = tuple(sorted(result.split_sizes.items()))
        for key, entry in result.metrics.items():
            numbers = [getattr(entry, name, None) for name in NUMBERS]
            # What a metric says about itself, such as "saturated", where it does.
            note = getattr(entry, "note", None)
            told = (result.references, images(key, sizes), entry.direction, entry.status, note, entry.version)
            yield (*own, key, *numbers, *told, *end)
