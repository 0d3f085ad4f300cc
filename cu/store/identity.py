"""Identity by content: a hash of everything that can change a result, and of nothing else.

A class is named by its own name, never by where it stands, so that moving code changes no identity; code of the user's
own counts with its source. Threads and device move the last digits of a result and are not part of its identity: they
are recorded beside it, and `hardware.num_threads` pins the one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cu.config.processes import processes
from cu.config.schema import Component, Paths, RunConfig, TrainConfig
from cu.data.datasets.listing import CACHE, all_files, list_images, require_apart, split_folders
from cu.disk.digest import file_hash, sha256
from cu.disk.hash_cache import content_hashes, signature
from cu.errors import ConfigError
from cu.store.sources import imported_sources, settings_files

# Settings that say where or how to get something, not what it is.
WITHOUT_EFFECT = {
    "dataset": {"download", "folder", "skip_unreadable"},
    "model": {"checkpoint", "checkpoint_key"},
}

WITHOUT_DROPOUT = ("cu.models.resnet.", "cu.models.vgg.")

# Settings that came later, at the value that says what was done before: runs of that time keep their identity.
AS_BEFORE = {"dataset": {"crop_scale": None}, "model": {"stem": "small"}}


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
    """What stands for a dotted path: the name of the class, with a hash of its source where it is the user's."""
    module, _, name = target.rpartition(".")
    if module.split(".")[0] == "cu":
        return {"_name_": name}
    return {"_name_": name, **source_of(module)}


def source_of(module: str) -> dict[str, str]:
    """A hash of the file that holds a module, found without importing it; nothing where there is no such file."""
    top, *inner = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return {}
    places = [Path(place, *inner) for place in (spec.submodule_search_locations or ())] if spec else []
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
    if spec and spec.origin and not inner:
        files.append(Path(spec.origin))
    return next(({"_source_": sha256(file)} for file in files if file.is_file()), {})


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


def folder_hash(dataset: Component, folder: Path, paths: Paths) -> str:
    """A hash of what the data set reads of its folder: names and contents.

    Of a folder of images, these are the image files of its split folders, in their order; of any other, all files.

    Raises:
        ConfigError: There is no such folder, a split folder is missing, or what is written would become a part of it.
    """
    if not folder.is_dir():
        raise ConfigError(f"dataset.folder={folder} is not a folder")
    cache = paths.data / CACHE
    if dataset.target.rpartition(".")[2] != "ImageFolder":
        files = {path.relative_to(folder).as_posix(): signature(path.stat()) for path in all_files(folder)}
        return fingerprint(sorted(content_hashes(folder, files, cache)[0].items()))
    content = {}
    for split, place in split_folders(folder).items():
        for key, own in (("paths.data", paths.data), ("paths.outputs", paths.outputs)):
            require_apart(own, place, key)
        listing = list_images(place)
        known = {n: own for n, own in zip(listing.names, listing.signatures, strict=True) if own is not None}
        hashes, _ = content_hashes(place, known, cache)
        content[split] = [[name, hashes.get(name)] for name in listing.names]
    return fingerprint(content)
