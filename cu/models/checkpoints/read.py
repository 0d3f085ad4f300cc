"""A user's file of weights, read without running or importing anything that it names."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from cu.disk.files import Damaged, read_mapping
from cu.errors import ConfigError, first_line

# Whatever unpickling damaged bytes may raise, be it torch's own checks.
UNREADABLE = (
    *(SafetensorError, RuntimeError, pickle.UnpicklingError, EOFError, LookupError, ValueError, OSError),
    *(TypeError, AttributeError, AssertionError),
)
IN_FOLDERS = ("model.safetensors", "pytorch_model.bin")  # what Hugging Face calls the file in a folder
SHARDS = "model.safetensors.index.json"
SAVE = "torch.save(network.state_dict(), 'weights.pth')"
STATE_IS_NO_MAPPING = ("numpy", "functools", "datetime", "random", "re.", "operator")
FOREIGN = {  # first bytes of what is often taken for weights of torch
    b"\x89HDF": "an HDF5 file, as Keras writes them",
    b"\x93NUM": "a NumPy array",
    b"GGUF": "a GGUF file",
}


class Inert:
    """Stands for an object of any class of a user's file: what it holds, and none of its code."""

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        """An empty mapping that takes items and attributes, which are the types that torch's reader may fill."""
        return OrderedDict()


class Opaque:
    """Stands for an object whose state is no mapping, such as a number of NumPy: nothing of it is kept."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def read_content(path: Path, key: str) -> Any:
    """What a file of weights holds: tensors in plain containers; objects of other classes become `Inert` mappings.

    Args:
        path: A file of torch or of safetensors, or a folder as Hugging Face writes them.
        key: The setting that names it.

    Raises:
        ConfigError: One line: there is no such file, it is damaged, or of another kind.
    """
    file = weights_file(path, key)
    try:
        if file.name == SHARDS:
            return _shards(file)
        return load_file(file) if is_safetensors(file) else _torch_file(file, key)
    except UNREADABLE as error:  # torch's own message recommends to unpickle the file all the same
        if isinstance(error, ConfigError):
            raise
        kind = "is a folder that cannot be read" if file.is_dir() else f"cannot be read ({type(error).__name__})"
        reason = "" if isinstance(error, (pickle.UnpicklingError, UnicodeDecodeError)) else f": {first_line(error)}"
        raise ConfigError(
            f"{key}={path} {kind}: it is damaged, or no file of weights{reason[:120]}; write it anew with {SAVE}"
        ) from error


def weights_file(path: Path, key: str) -> Path:
    """The file itself, or the one that a folder holds.

    Raises:
        ConfigError: There is none.
    """
    place = path.expanduser()
    if place.is_file():
        return place
    if not place.exists():
        raise ConfigError(f"{key}={path} does not exist")
    for name in (*IN_FOLDERS, SHARDS):
        if (place / name).is_file():
            return place / name
    raise ConfigError(f"{key}={path} is a folder without {' or '.join(IN_FOLDERS)}; name the file of weights")


def is_safetensors(file: Path) -> bool:
    """Whether a file has the header of safetensors, whatever its name is."""
    if file.suffix == ".safetensors":
        return True
    with file.open("rb") as opened:
        start = opened.read(9)
    return start[8:] == b"{" and 0 < int.from_bytes(start[:8], "little") < file.stat().st_size


def metadata_of(file: Path) -> dict[str, str] | None:
    """The words in the header of a safetensors file; None if it has none."""
    with safe_open(file, "pt") as opened:
        return opened.metadata()


def _shards(index: Path) -> dict[str, torch.Tensor]:
    names = sorted(set((read_mapping(index) or {}).get("weight_map", {}).values()))
    if not names or any(Path(name).name != name for name in names):
        raise Damaged(f"{index.name} names no files beside it")
    return {name: tensor for shard in names for name, tensor in load_file(index.with_name(shard)).items()}


def _torch_file(file: Path, key: str) -> Any:
    if kind := _foreign(file):
        raise ConfigError(f"{key}={file} is {kind}; load the network where it was made, and {SAVE}")
    with torch.serialization.safe_globals(_stand_ins(file)):
        return torch.load(file, map_location="cpu", weights_only=True)


def _stand_ins(file: Path) -> list[Any]:
    """Something harmless for each class or function that the file names and torch does not know as harmless."""
    if not zipfile.is_zipfile(file):  # files from before torch 1.6 hold plain containers or are refused
        return []
    names = torch.serialization.get_unsafe_globals_in_checkpoint(str(file))
    return [(Opaque if name.startswith(STATE_IS_NO_MAPPING) else Inert, name) for name in names]


def _foreign(file: Path) -> str | None:
    with file.open("rb") as opened:
        start = opened.read(4)
    if start in FOREIGN:
        return FOREIGN[start]
    if file.suffix == ".onnx":
        return "an ONNX graph"
    if not zipfile.is_zipfile(file):
        return None
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    if any(name.endswith("/constants.pkl") for name in names):
        return "a TorchScript archive, which holds code"
    return None if any(name.endswith("/data.pkl") for name in names) else "a zip archive without weights of torch"
