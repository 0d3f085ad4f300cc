"""New weights into a file like the user's: same container, key, names and types; and the lines that load it."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from cu.disk.files import writing
from cu.models.checkpoints.choose import of_module
from cu.models.checkpoints.fitting import WRAPPERS, given_back, unwrapped
from cu.models.checkpoints.load import Checkpoint
from cu.models.checkpoints.read import is_safetensors, metadata_of, weights_file

BESIDE = ("config.json", "preprocessor_config.json")  # what a folder of Hugging Face needs to be loaded
PLAIN = (str, int, float, bool, type(None))


def hand_back(
    checkpoint: Checkpoint, weights: Mapping[str, Tensor], source: Path, folder: Path
) -> tuple[Path, list[str]]:
    """Write new weights as the user's own file has the old ones; returns the file and three lines that load it.

    Of what else the file holds, plain values are kept. Tensors are not: the state of an optimizer and averaged weights
    still know what was to be forgotten.

    Args:
        checkpoint: What was found in the user's file.
        weights: By the network's names.
        source: The user's file or folder.
        folder: Where the new file goes, as `unlearned` with the suffix of the user's.
    """
    file = weights_file(source, "model.checkpoint")
    theirs = {name: tensor.detach().cpu() for name, tensor in checkpoint.chosen.tensors.items()}
    new = given_back({name: tensor.detach().cpu() for name, tensor in weights.items()}, theirs, checkpoint.fit)
    safe = is_safetensors(file) or not file.suffix or file.name.endswith(".index.json")
    target = folder / f"unlearned{'.safetensors' if safe else file.suffix}"
    if source.expanduser().is_dir():
        target = folder / "unlearned" / ("model.safetensors" if safe else file.name)
        for name in BESIDE:
            if (beside := source.expanduser() / name).is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(beside, target.parent / name)
    if safe:
        header = metadata_of(file) if file.suffix == ".safetensors" else None
        content = save({name: tensor.clone() for name, tensor in new.items()}, metadata=header or {"format": "pt"})
    else:
        buffer = io.BytesIO()  # writing the file itself, torch hides that the disk is full
        torch.save(replaced(checkpoint.content, checkpoint.chosen.key.split("."), new), buffer)
        content = buffer.getvalue()
    with writing(target) as temporary:
        temporary.write_bytes(content)
    key = "" if of_module(checkpoint.content) is not None else checkpoint.chosen.key
    return target, loading_lines(target, key if not safe else "", checkpoint, safe)


def replaced(content: Any, path: list[str], new: Mapping[str, Tensor]) -> Any:
    """A file's content with new weights at a path; besides them only plain values."""
    if path == [""] or not path or of_module(content) is not None:
        others = {k: plain(v) for k, v in content.items() if k not in new} if of_module(content) is None else {}
        return {**new, **{k: v for k, v in others.items() if v is not None}}
    name, *rest = path
    if isinstance(content, (list, tuple)):
        return [replaced(v, rest, new) if str(i) == name else plain(v) for i, v in enumerate(content)]
    kept = {k: replaced(v, rest, new) if str(k) == name else plain(v) for k, v in content.items()}
    return {k: v for k, v in kept.items() if v is not None}


def plain(value: Any) -> Any:
    """What is left of a value without tensors and objects: words and numbers, and containers of them; else None."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value] if all(isinstance(v, PLAIN) for v in value) else None
    if isinstance(value, Mapping):
        if any(isinstance(v, Tensor) for v in value.values()):
            return None
        inner = value or getattr(value, "__dict__", {})  # what stands for an object has its attributes there
        return {str(k): p for k, v in inner.items() if (p := plain(v)) is not None} or None
    return None


def loading_lines(target: Path, key: str, checkpoint: Checkpoint, safe: bool) -> list[str]:
    """Three lines of Python that load a file into the user's `network`."""
    where = json.dumps(str(target.absolute()), ensure_ascii=False)
    steps = "".join(f"[{part}]" if part.isdigit() else f"[{part!r}]" for part in key.split(".") if part)
    if safe:
        first, second = "from safetensors.torch import load_file", f"weights = load_file({where})"
    else:
        first, second = "import torch", f"weights = torch.load({where}, weights_only=True){steps}"
    prefix, names = checkpoint.fit.prefix, checkpoint.fit.names
    wrapped = [part for part in WRAPPERS if any(unwrapped(name) != name for name in names)]
    if not prefix and not wrapped and not checkpoint.fit.left_out:
        return [first, second, "network.load_state_dict(weights)"]
    name = "k" + "".join(f'.replace("{part}.", "")' for part in wrapped)
    stripped = f'{name}.removeprefix("{prefix}")' if prefix else name
    chosen = f' if {name}.startswith("{prefix}")' if prefix else ""
    return [first, second, f"network.load_state_dict({{{stripped}: v for k, v in weights.items(){chosen}}})"]
