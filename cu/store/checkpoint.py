"""The state of a training that may be killed."""

from __future__ import annotations

import logging
import pickle
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from cu.errors import first_line
from cu.store.files import writing

log = logging.getLogger(__name__)
# Whatever unpickling damaged bytes may raise, be it torch's own checks.
UNREADABLE = (
    *(SafetensorError, RuntimeError, pickle.UnpicklingError, EOFError, LookupError, ValueError, OSError),
    *(TypeError, AttributeError, AssertionError),
)


@dataclass(frozen=True)
class EpochCheckpoint:
    """The state of a training between epochs, in one file."""

    path: Path

    def load(self) -> dict[str, Any] | None:
        """The last state; None if there is none or it cannot be read."""
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except UNREADABLE as error:
            log.warning("%s is damaged (%s): training starts again", self.path, first_line(error))
            return None
        log.info("continuing from epoch %d (%s)", state["epoch"], self.path)
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state."""
        buffer = BytesIO()  # writing the file itself, torch hides that the disk is full
        torch.save(state, buffer)
        with writing(self.path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
