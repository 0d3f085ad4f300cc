"""Whether W&B is online, offline or off, decided before a run starts so that nothing ever prompts or hangs."""

from __future__ import annotations

import logging
import netrc
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

log = logging.getLogger(__name__)
Mode = Literal["online", "offline", "disabled"]
MODES = ("online", "offline", "disabled", "dryrun", "run", "shared")  # that W&B knows in WANDB_MODE
unreachable: list[str] = []  # what went wrong in this process; later runs do not wait for the server again
NOTES = "CU_SWEEP"  # names, for all processes of a sweep, the folder of its notes
NOTE = "wandb_unreachable.txt"  # there: what went wrong in any of them


def server_failed(why: str) -> None:
    """Keep that the server cannot be reached, so that neither this process nor its sweep waits for it again."""
    unreachable.append(why)
    if folder := os.environ.get(NOTES):
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            Path(folder, NOTE).write_text(f"{why}\n", encoding="utf-8")
        except OSError as error:  # then others find out themselves
            log.debug("%s cannot be written (%s)", NOTE, error)


def server_is_down() -> bool:
    """Whether this process or another one of its sweep could not reach the server."""
    folder = os.environ.get(NOTES)
    return bool(unreachable) or (folder is not None and Path(folder, NOTE).exists())


def resolve_mode(mode: str) -> Mode:
    """The mode to start in, decided beforehand so that nothing ever prompts."""
    wanted = os.environ.get("WANDB_MODE", "auto") if mode == "auto" else mode
    if wanted == "disabled":
        return "disabled"
    if wanted in ("offline", "dryrun") or server_is_down():
        return "offline"
    if has_key():
        return "online"
    if wanted == "online":
        log.warning("W&B has no API key (WANDB_API_KEY or `wandb login`): tracking offline")
    return "offline"


def awaited() -> bool:
    """Whether this process is a trial of a W&B sweep, whose server waits for a result under a run id of its own."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))


def has_key() -> bool:
    """Whether W&B finds a key for its server: in the environment, its settings, or the user's netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    import wandb

    settings = wandb.setup().settings
    if settings.api_key:
        return True
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        hosts = netrc.netrc(str(path)).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    own = urlsplit(settings.base_url).netloc
    return any(host == own or "wandb" in host or "coreweave" in host for host in hosts)
