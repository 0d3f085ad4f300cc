"""How a network was given its images, as the configs beside its weights tell it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cu.disk.files import Damaged, read_json
from cu.errors import ConfigError

FILES = ("preprocessor_config.json", "config.json")  # of Hugging Face's processors; of timm
RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers
CLOSE = 5e-3  # means and standard deviations that differ by less are the same ones, rounded


def told(checkpoint: Path) -> dict[str, Any]:
    """Settings of a data set by their names here, as far as a config beside a checkpoint has them; empty without one.

    Raises:
        Damaged: A config cannot be read.
    """
    place = checkpoint.expanduser()
    folder, found = place if place.is_dir() else place.parent, {}
    for name in FILES:
        content = read_json(folder / name)
        if isinstance(content, Mapping):
            found |= _of_processor(content) | _of_timm(content.get("pretrained_cfg") or content)
    return {name: value for name, value in found.items() if value is not None}


def differences(checkpoint: Path, dataset: Mapping[str, Any]) -> str | None:
    """What to type so that images are given as the config beside a checkpoint says; None if they are."""
    try:
        wanted = told(checkpoint)
    except Damaged:
        return None
    others = [f"dataset.{n}={_typed(v)}" for n, v in wanted.items() if n in dataset and not _same(v, dataset[n])]
    if not others:
        return None
    say = f"say preprocessing=checkpoint or {' '.join(others)}"
    return f"the config beside model.checkpoint={checkpoint} gives images otherwise: {say}"


def as_told(config: Mapping[str, Any]) -> dict[str, Any]:
    """A whole config whose data set gives images as the config beside the checkpoint says, if it asks for that.

    Raises:
        ConfigError: `preprocessing=checkpoint`, and there is no checkpoint, or no such config beside it.
    """
    if config.get("preprocessing") != "checkpoint":
        return dict(config)
    dataset, checkpoint = config["dataset"], (config.get("model") or {}).get("checkpoint")
    if not checkpoint:
        raise ConfigError("preprocessing=checkpoint needs model.checkpoint=FILE or FOLDER")
    try:
        found = told(Path(str(checkpoint)))
    except Damaged as error:
        raise ConfigError(f"preprocessing=checkpoint: {error}") from error
    if not found:
        raise ConfigError(
            f"preprocessing=checkpoint: no {' or '.join(FILES)} beside {checkpoint} tells how images are given"
        )
    return {**config, "dataset": {**dataset, **{name: value for name, value in found.items() if name in dataset}}}


def _of_processor(content: Mapping[str, Any]) -> dict[str, Any]:
    if "image_mean" not in content:
        return {}
    size = content.get("crop_size") if content.get("do_center_crop") else content.get("size")
    side = size if isinstance(size, int) else next(iter(size.values()), None) if isinstance(size, Mapping) else None
    share = content.get("crop_pct")
    cuts = content.get("do_center_crop") or share is not None
    return {
        "mean": content.get("image_mean"),
        "std": content.get("image_std"),
        "image_size": side,
        "interpolation": RESAMPLING.get(content.get("resample", -1)),
        "resize": "cover" if cuts else "stretch" if content.get("do_resize", True) else None,
        "crop_share": share,
    }


def _of_timm(content: Mapping[str, Any]) -> dict[str, Any]:
    if "input_size" not in content or "mean" not in content:
        return {}
    return {
        "mean": list(content["mean"]),
        "std": list(content.get("std", [])) or None,
        "image_size": content["input_size"][-1],
        "interpolation": content.get("interpolation"),
        "resize": "stretch" if content.get("crop_mode") == "squash" else "cover",
        "crop_share": content.get("crop_pct"),
    }


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(math.isclose(x, y, abs_tol=CLOSE) for x, y in zip(a, b, strict=True))
    return a == b


def _typed(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)
