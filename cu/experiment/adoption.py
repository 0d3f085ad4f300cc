"""The user's own weights in the place of a model that would else be trained."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cu.config.schema import TrainConfig
from cu.disk.digest import file_hash
from cu.disk.files import Damaged
from cu.disk.json_lines import JsonLines
from cu.engine.context import MethodContext
from cu.models.checkpoints.hand_back import hand_back
from cu.models.checkpoints.load import load_checkpoint
from cu.models.types import Classifier
from cu.store.checkpoint import EpochCheckpoint
from cu.store.handed_back import write_handed_back
from cu.store.models import load_into, read_model
from cu.store.provenance import provenance

log = logging.getLogger(__name__)


def adopted(
    path: Path, key: str | None, setting: str, context: MethodContext, checkpoint: EpochCheckpoint, rows: JsonLines
) -> tuple[Classifier, Mapping[str, Any]]:
    """A network with the weights of a user's file, and what to record about it; one line says what was used of it.

    Args:
        path: Of the file.
        key: Of the weights in it; None to look for them.
        setting: What names the file.
        context: Makes the network.
        checkpoint: Not needed, as nothing is trained.
        rows: Likewise.
    """
    model = context.new_model()
    found = load_checkpoint(path, key, model, setting)
    load_into(model, found.weights, f"{setting}={path}")
    log.info("%s: %s", path, found.described())
    return model, {
        "cost": None,
        "source": str(path),
        "source_sha256": file_hash(str(path), setting),
        "used": found.described(),
        **asdict(provenance(context.hardware.describe())),
    }


def hand_back_weights(config: TrainConfig, context: MethodContext, folder: Path) -> None:
    """Write a run's unlearned weights as the user's own file has the original ones, beside those of `cu`.

    Raises:
        ConfigError: The user's file is gone or has changed.
        Damaged: The unlearned weights are gone.
    """
    path, stored = Path(config.checkpoint or ""), read_model(folder)
    if stored is None:
        raise Damaged(f"{folder / 'model.safetensors'} is gone or damaged")
    found = load_checkpoint(path, config.checkpoint_key, context.new_model())
    file, lines = hand_back(found, stored.weights, path, folder)
    about = {"source": str(path), "source_sha256": file_hash(str(path), "model.checkpoint"), "used": found.described()}
    write_handed_back(folder, file, lines, about)
