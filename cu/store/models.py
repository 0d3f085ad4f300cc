"""Original and retrained models, each trained once however many jobs want it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import Tensor, nn

from cu.disk.digest import sha256
from cu.disk.files import Damaged, read_mapping, remove_leftovers, write_json, writing
from cu.disk.json_lines import JsonLines, NoRows
from cu.disk.locks import locked
from cu.engine import team
from cu.errors import ConfigError, first_line
from cu.models.checkpoints.read import UNREADABLE
from cu.store.checkpoint import EpochCheckpoint
from cu.store.fingerprint import fingerprint

log = logging.getLogger(__name__)
TRAINING = "training"  # the word at which the other processes of a job train along
LEFT_SECONDS = 3600.0  # after which a temporary file has no writer any more


@dataclass(frozen=True)
class StoredModel:
    """Weights on the CPU, the record beside them (`cost`, `identity`, ...), and their folder."""

    weights: Mapping[str, Tensor]
    record: Mapping[str, Any]
    folder: Path


Train = Callable[[EpochCheckpoint, JsonLines], tuple[nn.Module, Mapping[str, Any]]]


@dataclass(frozen=True)
class ModelStore:
    """A folder of trained models, one subfolder per fingerprint of what they depend on."""

    root: Path

    def folder(self, identity: Mapping[str, Any]) -> Path:
        """Where the model of this identity lives."""
        return self.root / fingerprint(identity)

    def obtain(self, identity: Mapping[str, Any], train: Train) -> StoredModel:
        """The model of this identity, trained if nobody has yet.

        `train` gets a checkpoint to keep its state in and a log for its rows, and returns the model and what to
        record about it. Of several processes that want one model, one trains and the others wait; those of one job
        train it together, and the first one writes.
        """
        if not team.leads():
            return self.followed(self.folder(identity), train)
        stored = self.led(identity, train)
        return team.shared(lambda: stored)

    def followed(self, folder: Path, train: Train) -> StoredModel:
        """What the first process of the job obtains, trained together with it if it trains."""
        while (found := team.shared(lambda: None)) == TRAINING:
            train(EpochCheckpoint(folder / "checkpoint.pt"), NoRows(folder / "metrics.jsonl"))
        return found  # type: ignore[return-value]

    def led(self, identity: Mapping[str, Any], train: Train) -> StoredModel:
        """The model, found or made."""
        folder = self.folder(identity)
        with suppress(*UNREADABLE, Damaged):  # said below, once
            if (stored := load_model(folder)) is not None:
                return stored
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", f"another job trains {folder.name}"):
            if (stored := read_model(folder)) is not None:
                return stored
            remove_leftovers(folder, LEFT_SECONDS, time.time())
            remove_outputs(folder)
            checkpoint = EpochCheckpoint(folder / "checkpoint.pt")
            team.shared(lambda: TRAINING)
            model, about = train(checkpoint, JsonLines(folder / "metrics.jsonl", keep=checkpoint.path.exists()))
            write_model(folder, model, {"fingerprint": folder.name, "identity": identity, **about})
            checkpoint.path.unlink(missing_ok=True)
        stored = read_model(folder)
        if stored is None:
            raise Damaged(f"{folder} could not be read back after writing it")
        return stored


@dataclass(frozen=True)
class KeptModels:
    """The same folder for those who may not train: what is not there is an error."""

    root: Path

    def folder(self, identity: Mapping[str, Any]) -> Path:
        """Where the model of this identity lives."""
        return self.root / fingerprint(identity)

    def obtain(self, identity: Mapping[str, Any], train: Train) -> StoredModel:
        """The model of this identity.

        Raises:
            ConfigError: Nobody has trained it, or it is gone.
        """
        return self.named(fingerprint(identity))

    def named(self, name: str) -> StoredModel:
        """The model in the folder of this name; without weights if they are gone, since its outputs may be left.

        Raises:
            ConfigError: There is no such model.
            Damaged: Its record cannot be read.
        """
        path = self.root / name / "model.safetensors"
        record = read_mapping(path.with_name("model.json"))
        if record is None:
            raise ConfigError(f"the model {path.parent} is gone")
        if not isinstance(record.get("identity"), dict):
            raise Damaged(f"{path.with_name('model.json')} is damaged (it does not say what the model is)")
        try:
            weights = load_file(path) if record.get("sha256") == sha256(path) else {}
        except UNREADABLE:
            weights = {}
        return StoredModel(weights, record, path.parent)


def remove_outputs(folder: Path) -> None:
    """Remove what was computed from weights that are gone: another machine trains others in their last digits."""
    for path in (*folder.glob("predictions-*.npz"), *folder.glob("audited/*"), *folder.glob("judged/*")):
        path.unlink(missing_ok=True)


def write_model(folder: Path, model: nn.Module, record: Mapping[str, Any]) -> None:
    """Write weights, then the record that makes them count."""
    path = folder / "model.safetensors"
    save_weights(path, model)
    write_json(folder / "model.json", {**record, "sha256": sha256(path)})


def save_weights(path: Path, model: nn.Module) -> None:
    """A model's weights and buffers as safetensors, on the CPU and contiguous."""
    with writing(path) as temporary:
        # safetensors' own file writing would keep others on a shared disk from reading it
        temporary.write_bytes(save({k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}))


def read_model(folder: Path) -> StoredModel | None:
    """The model in a folder; None, with a warning, if it is damaged, and None if there is none."""
    try:
        return load_model(folder)
    except (*UNREADABLE, Damaged) as error:
        log.warning("%s: it is trained again", first_line(error))
        return None


def load_model(folder: Path) -> StoredModel | None:
    """The model in a folder; None if there is none.

    Raises:
        Exception: One of `UNREADABLE`, or `Damaged`, if it is damaged.
    """
    path = folder / "model.safetensors"
    record = read_mapping(folder / "model.json")
    if record is None:
        return None
    if record.get("sha256") != sha256(path):
        raise Damaged(f"{path} does not match its record")
    return StoredModel(load_file(path), record, folder)


def load_into(model: nn.Module, weights: Mapping[str, Tensor], key: str) -> None:
    """Load weights that must fit exactly.

    Raises:
        ConfigError: One line that counts what is missing, unknown or of another shape, with an example.
    """
    own = model.state_dict()
    faults = {
        "missing": [n for n in own if n not in weights],
        "unknown": [n for n in weights if n not in own],
        "of another shape": [n for n in own if n in weights and own[n].shape != weights[n].shape],
    }
    found = [f"{len(names)} {fault} (e.g. {names[0]})" for fault, names in faults.items() if names]
    if found:
        raise ConfigError(f"{key} does not fit the model: {', '.join(found)}")
    model.load_state_dict(weights)
