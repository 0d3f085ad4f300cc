"""The retrained models that a run is set against: the user's own files, or trained by the recipe or the user's code."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Dataset

from cu.config.schema import RunConfig
from cu.data.types import Split
from cu.disk.digest import file_hash
from cu.disk.json_lines import JsonLines
from cu.errors import ConfigError
from cu.experiment.adoption import adopted
from cu.experiment.workspace import Workspace
from cu.models.types import Classifier
from cu.models.user import find
from cu.seeds import member_seed
from cu.store.checkpoint import EpochCheckpoint
from cu.store.identity import retrained_identity
from cu.store.models import StoredModel
from cu.store.provenance import provenance
from cu.store.sources import sources_of

log = logging.getLogger(__name__)


def references(workspace: Workspace[RunConfig], retain: Split) -> list[StoredModel]:
    """As many as the config asks for, the user's own files first."""
    asked = workspace.config.reference
    given = [from_file(workspace, retain, Path(path)) for path in asked.checkpoints]
    if asked.train is None:
        return given + [workspace.reference(retain, number) for number in range(len(given), asked.k)]
    return given + [by_user(workspace, retain, asked.train, number) for number in range(len(given), asked.k)]


def from_file(workspace: Workspace[RunConfig], retain: Split, path: Path) -> StoredModel:
    """A retrained model of the user's own, from a file like that of `model.checkpoint`."""
    identity = {
        **retrained_identity(workspace.original_identity, 0, forgotten(workspace, retain)),
        "checkpoint": file_hash(str(path), "reference.checkpoints"),
    }
    context = workspace.context(workspace.seed)
    return workspace.store.obtain(identity, partial(adopted, path, None, "reference.checkpoints", context))


def by_user(workspace: Workspace[RunConfig], retain: Split, function: str, number: int) -> StoredModel:
    """A model that the user's own function has trained on the retain set."""
    seed = member_seed(workspace.seed, "reference", number)
    identity = {
        **retrained_identity(workspace.original_identity, seed, forgotten(workspace, retain)),
        "trained_by": function,
        **sources_of(function.replace(":", ".").rpartition(".")[0]),
    }

    def train(checkpoint: EpochCheckpoint, rows: JsonLines) -> tuple[Classifier, Mapping[str, Any]]:
        log.info("%s trains reference %d on %d samples", function, number, len(retain))
        context = workspace.context(seed)
        model = context.new_model()
        with context.ledger.running():
            returned = find(function, "reference.train")(Logits(model), Samples(retain), seed)
        if returned is not None:
            raise ConfigError(f"reference.train={function} must train the network it is given, and return nothing")
        return model.eval(), {"cost": None, **asdict(provenance(workspace.hardware.describe()))}

    return workspace.store.obtain(identity, train)


def forgotten(workspace: Workspace[RunConfig], retain: Split) -> list[int]:
    """Training samples that are not retained."""
    kept = set(retain.ids.tolist())
    return [sample for sample in workspace.data.train.ids.tolist() if sample not in kept]


class Logits(nn.Module):
    """A classifier as the plain network that users train: from images [B, C, H, W] to logits [B, num_classes]."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Logits of normalised images."""
        return self.model(images).logits


class Samples(Dataset):
    """A split as a torch data set of (normalised float32 image [C, H, W], label as int), without augmentation."""

    def __init__(self, split: Split) -> None:
        self.split, self.images = split, split.images.cpu()  # workers of a loader cannot read a GPU's memory

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        split = self.split
        return split.transform.plain(self.images[split.rows[position]][None])[0], int(split.labels[position])
