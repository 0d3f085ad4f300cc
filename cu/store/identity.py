"""Identity by content: a hash of everything that can change a result, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cu.errors import ConfigError

# Settings that say where or how to get something, not what it is.
WITHOUT_EFFECT = {"dataset": {"download", "folder"}, "model": {"checkpoint"}}
READ_OF_FOLDER = 64  # files whose content is looked at, besides the names and sizes of all


def fingerprint(content: Any) -> str:
    """16 hexadecimal digits of a hash of plain content (dicts, lists, numbers, strings, None); 1.0 counts as 1."""
    text = json.dumps(canonical(content), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def canonical(content: Any) -> Any:
    """Plain content with whole floats as integers: `lr=1` and `lr=1.0` give the same model."""
    if isinstance(content, Mapping):
        return {key: canonical(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [canonical(value) for value in content]
    return int(content) if isinstance(content, float) and content.is_integer() else content


def original_identity(config: Mapping[str, Any], precision: str) -> dict[str, Any]:
    """What the original model depends on."""
    identity = {
        "kind": "original",
        "dataset": without(config["dataset"], WITHOUT_EFFECT["dataset"]),
        "model": without(config["model"], WITHOUT_EFFECT["model"]),
        "recipe": config["recipe"],
        "seed": config["seed"],
        "precision": precision,
        "revision": config["revision"],
    }
    if config["dataset"].get("folder"):
        identity["folder"] = listing_hash(config["dataset"]["folder"], "dataset.folder")
    if "swap" in config.get("scenario", {}):
        identity["confused"] = {**swapped_labels(config), "forget_seed": config["forget_seed"]}
    if config["model"].get("checkpoint"):
        identity["checkpoint"] = file_hash(config["model"]["checkpoint"], "model.checkpoint")
    return identity


def swapped_labels(config: Mapping[str, Any]) -> dict[str, Any]:
    """Which labels an original is trained on that are not the data set's own; only `scenario=confusion` has any.

    Raises:
        ConfigError: The original is the user's own, so that it was trained on other labels.
    """
    if config["model"].get("checkpoint"):
        raise ConfigError("scenario=confusion trains its original on wrong labels: model.checkpoint must be null")
    return {"swap": sorted(config["scenario"]["swap"]), "count": config["scenario"]["count"]}


def retrained_identity(original: Mapping[str, Any], seed: int, forget_ids: Iterable[int]) -> dict[str, Any]:
    """What a retrained model depends on: the original's settings, its own seed and which ids are left out."""
    own = {key: value for key, value in original.items() if key != "checkpoint"}
    return {**own, "kind": "retrained", "seed": seed, "without": fingerprint(sorted(forget_ids))}


def initial_identity(original: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """What an untrained model depends on."""
    own = {name: original[name] for name in ("dataset", "folder", "confused", "model", "revision") if name in original}
    return {**own, "kind": "initial", "seed": seed}


def unlearned_identity(
    config: Mapping[str, Any], original: Mapping[str, Any], seed: int, forget_ids: Iterable[int], scenario: str
) -> dict[str, Any]:
    """What a model depends on that was made to forget: where it started, the method, its seed, and what it forgot."""
    return {
        "kind": "unlearned",
        "original": original,
        "method": config["method"],
        "method_seed": seed,
        "forget": fingerprint(sorted(forget_ids)),
        "scenario": scenario,
        "scoring_precision": config["hardware"]["scoring_precision"],
    }


def run_identity(config: Mapping[str, Any], original: Mapping[str, Any]) -> dict[str, Any]:
    """What the outcome of an unlearning run depends on; how it is evaluated afterwards is not part of it."""
    identity = {
        "kind": "run",
        "original": original,
        "scenario": config["scenario"],
        "method": config["method"],
        "forget_seed": config["forget_seed"],
        "method_seed": config["method_seed"],
        "scoring_precision": config["hardware"]["scoring_precision"],
    }
    if config["scenario"].get("file"):
        ids = file_hash(config["scenario"]["file"], "scenario.file")
        identity["scenario"] = {**without(config["scenario"], {"file"}), "ids": ids}
    return identity


def without(settings: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    """Settings less some keys."""
    return {key: value for key, value in settings.items() if key not in keys}


def file_hash(file: str, key: str) -> str:
    """SHA-256 of a file that the setting `key` names."""
    try:
        return sha256(Path(str(file)).expanduser())
    except OSError as error:
        raise ConfigError(f"{key}={file} cannot be read ({error.strerror})") from error


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def listing_hash(folder: str, key: str) -> str:
    """A hash of the relative names and sizes of all files below a folder, and of the content of some of them."""
    root = Path(str(folder)).expanduser()
    if not root.is_dir():
        raise ConfigError(f"{key}={folder} is not a folder")
    files = sorted(p for p in root.rglob("*") if p.is_file())
    some = files[:: len(files) // READ_OF_FOLDER + 1]
    listing = [[p.relative_to(root).as_posix(), p.stat().st_size] for p in files]
    return fingerprint([listing, [sha256(p) for p in some]])
