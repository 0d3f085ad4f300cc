"""Identity by content: a hash of everything that can change a result, and of nothing else.

A class is named by its own name, never by where it stands, so that moving code changes no identity; code of the user's
own counts with its source. Threads and device move the last digits of a result and are not part of its identity: they
are recorded beside it, and `hardware.num_threads` pins the one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cu.config.component import Component
from cu.config.processes import processes
from cu.config.schema import RunConfig, TrainConfig
from cu.disk.digest import file_hash
from cu.store.fingerprint import canonical, fingerprint
from cu.store.folder_hash import folder_hash
from cu.store.sources import imported_sources, settings_files, source_of

# Settings that say where or how to get something, not what it is.
WITHOUT_EFFECT = {
    "dataset": {"download", "folder", "made_by", "recheck", "skip_unreadable"},
    "model": {"checkpoint", "checkpoint_key"},
}

WITHOUT_DROPOUT = ("cu.models.resnet.", "cu.models.vgg.")

# Settings that came later, at the value that says what was done before: runs of that time keep their identity.
AS_BEFORE = {"dataset": {"crop_scale": None}, "model": {"stem": "small"}}


def with_effect(component: Component, group: str) -> Component:
    """The settings of a data set or a model that can change a result."""
    return Component(as_earlier(component.without(*WITHOUT_EFFECT[group]).node, group))


def as_earlier(node: Mapping[str, Any], group: str) -> dict[str, Any]:
    """Settings without those that came later and say that all is as it was before."""
    idle = {name for name, value in AS_BEFORE.get(group, {}).items() if node.get(name) == value}
    if "crop_scale" in idle:
        idle.add("crop_ratio")
    return {name: value for name, value in node.items() if name not in idle}


def original_identity(
    config: TrainConfig, precision: str, prepared: Mapping[str, Any] | None = None, removed: Sequence[str | int] = ()
) -> dict[str, Any]:
    """What the original model depends on.

    Args:
        config: Of the job.
        precision: In which models are trained.
        prepared: What the scenario changes in the training data before the original is trained; None for nothing.
        removed: What earlier requests removed, which is in no split.
    """
    identity = {
        "kind": "original",
        "dataset": canonical(with_effect(config.dataset, "dataset")),
        "model": canonical(with_effect(config.model, "model")),
        "recipe": canonical(config.recipe),
        "seed": config.seed,
        "precision": precision,
        "revision": config.revision,
    }
    if config.hardware.get("compile"):
        identity["compiled"] = True
    if (count := processes().count) > 1 and not config.model.target.startswith(WITHOUT_DROPOUT):
        identity["processes"] = count  # each draws the dropout of its own slice of a batch
    if folder := config.dataset.get("folder"):
        identity["folder"] = folder_hash(config.dataset, Path(str(folder)).expanduser(), config.paths)
    if factory := config.model.get("factory"):
        module = str(factory).replace(":", ".").rpartition(".")[0]
        identity["factory"] = {**source_of(module), **imported_sources(module)}
    if files := settings_files(config.model.get("settings") or {}, "model.settings"):
        identity["settings_files"] = files
    if prepared is not None:
        identity["prepared"] = dict(prepared)
    if removed:
        identity["removed"] = fingerprint(removed)
    if config.checkpoint:
        identity["checkpoint"] = file_hash(config.checkpoint, "model.checkpoint")
        if config.checkpoint_key is not None:
            identity["checkpoint_key"] = config.checkpoint_key
    return identity


def trained_identity(original: Mapping[str, Any]) -> dict[str, Any]:
    """What a model depends on that is trained as the original, were that not given as a file of weights."""
    return {key: value for key, value in original.items() if key not in ("checkpoint", "checkpoint_key")}


def retrained_identity(original: Mapping[str, Any], seed: int, forget_ids: Iterable[int]) -> dict[str, Any]:
    """What a retrained model depends on: the original's settings, its own seed and which ids are left out."""
    return {**trained_identity(original), "kind": "retrained", "seed": seed, "without": fingerprint(sorted(forget_ids))}


def initial_identity(original: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """What an untrained model depends on."""
    names = ("dataset", "folder", "prepared", "removed", "model", "factory", "settings_files", "revision")
    return {**{name: original[name] for name in names if name in original}, "kind": "initial", "seed": seed}


def unlearned_identity(
    config: RunConfig, original: Mapping[str, Any], seed: int, forgotten: Mapping[str, Any]
) -> dict[str, Any]:
    """Identity of an unlearned model, and of the run that makes it: how it is evaluated is not part of it.

    Args:
        config: Of the job.
        original: Identity of the model that it started from.
        seed: Of the method.
        forgotten: Who is forgotten; see `forgotten_by` and `forgotten_ids`.
    """
    return {
        "kind": "unlearned",
        "original": original,
        "method": canonical(config.method),
        "method_seed": seed,
        "forgotten": dict(forgotten),
        "scoring_precision": config.hardware.get("scoring_precision"),
    }


def forgotten_by(scenario: Mapping[str, Any], forget_seed: int) -> dict[str, Any]:
    """Identity of what a scenario forgets: its own identity, and the seed of its draws."""
    return {"scenario": canonical(scenario), "forget_seed": forget_seed}


def forgotten_ids(ids: Iterable[int], kind: str) -> dict[str, Any]:
    """Identity of what is forgotten by a list of ids, as an audit does it."""
    return {"ids": fingerprint(sorted(ids)), "kind": kind}
