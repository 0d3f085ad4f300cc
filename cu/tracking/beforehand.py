"""What W&B would trip over, found out once before a run or a sweep starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from cu.disk.locks import locked
from cu.errors import first_line
from cu.tracking.mode import MODES, NOTES, server_failed, server_is_down

log = logging.getLogger(__name__)
ASKED = "wandb_asked"  # in a sweep's folder: somebody has
SECONDS = 10.0  # that the server gets to answer


def correct_environment(say: Callable[[str], None]) -> None:
    """Replace a WANDB_MODE that W&B would refuse, and say so."""
    wanted = os.environ.get("WANDB_MODE", "offline")
    if wanted not in MODES:
        say(f"warning: WANDB_MODE={wanted} is none of {', '.join(MODES)}: tracking offline")
        os.environ["WANDB_MODE"] = "offline"


def server_answers() -> bool:
    """Whether W&B's server gives a sign of life; a sweep asks once, whichever of its jobs comes first.

    W&B itself would find out, too, but wait several times as long.
    """
    if (name := os.environ.get(NOTES)) is None:
        ask()
        return not server_is_down()
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".wandb.lock", "another job asks for W&B's server"):
            if not (folder / ASKED).exists():
                ask()
                (folder / ASKED).touch()
    except OSError as error:
        log.debug("%s cannot be written (%s)", folder, error)
    return not server_is_down()


def ask() -> None:
    """Ask the server; one that does not answer is said, and kept for the whole sweep."""
    import requests
    import wandb

    server = wandb.setup().settings.base_url
    try:
        if requests.get(server, timeout=SECONDS, stream=True).status_code >= 500:
            raise requests.ConnectionError("it answers with an error of its own")
    except requests.RequestException as error:
        server_failed(first_line(error))
        log.warning("W&B cannot be reached, tracking offline: %s does not answer (%s)", server, type(error).__name__)
