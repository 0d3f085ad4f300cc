"""The state of a training that may be killed."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from cu.disk.files import writing
from cu.errors import first_line
from cu.models.checkpoints.read import UNREADABLE
from cu.store.runs import STATES

log = logging.getLogger(__name__)
DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class EpochCheckpoint:
    """The state of a training on its way, in one file that ends with the SHA-256 of what comes before."""

    path: Path

    def load(self) -> dict[str, Any] | None:
        """The last state; None if there is none or it cannot be read."""
        if not self.path.exists():
            return None
        try:
            content = self.path.read_bytes()
            if hashlib.sha256(content[:-DIGEST]).digest() != content[-DIGEST:]:
                raise ValueError("its checksum is wrong")
            state = torch.load(BytesIO(content[:-DIGEST]), map_location="cpu", weights_only=True)
        except UNREADABLE as error:
            log.warning("%s is damaged (%s): training starts again", self.path, first_line(error))
            return None
        log.info("continuing from epoch %d (%s)", state["epoch"], self.path)  # as many are done
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state."""
        buffer = BytesIO()  # writing the file itself, torch hides that the disk is full
        torch.save(state, buffer)
        with writing(self.path) as temporary, temporary.open("wb") as file:
            file.write(buffer.getbuffer())
            file.write(hashlib.sha256(buffer.getbuffer()).digest())


@dataclass(frozen=True)
class DescentStates:
    """The states of the descents of a method, in the folder of its run."""

    folder: Path

    def at(self, number: int) -> EpochCheckpoint:
        """Where the state of a descent is, by its number."""
        return EpochCheckpoint(self.folder / STATES.replace("*", str(number)))

    def are_there(self) -> bool:
        """Whether there are any."""
        return any(True for _ in self.folder.glob(STATES))
