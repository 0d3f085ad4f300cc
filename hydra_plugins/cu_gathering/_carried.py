"""What jobs in processes on other machines need of the command that was typed: kept in the sweep's folder."""

from __future__ import annotations

import os
import pickle
import socket
import sys
from pathlib import Path

from cu.disk.files import writing
from cu.errors import ConfigError
from hydra_plugins.cu_gathering._job import Shared

FILE = "sweep.pickle"


def carry(folder: Path, shared: Shared) -> None:
    """Keep the command, its config and the folder it was typed in; reading them back is trusting the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    content = pickle.dumps((sys.argv, os.getcwd(), pickle.dumps(shared)))
    with writing(folder / FILE) as path:
        path.write_bytes(content)


def enter(folder: Path) -> Shared:
    """Be where the command was typed, which is where relative paths begin, and return what was kept.

    Raises:
        ConfigError: This machine does not see the folders that the launching one sees.
    """
    host = socket.gethostname()
    try:
        sys.argv, place, shared = pickle.loads((folder / FILE).read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{host} cannot read {folder / FILE} ({error.strerror}): paths.outputs must be on a disk of all machines"
        ) from error
    try:
        os.chdir(place)
    except OSError as error:
        raise ConfigError(
            f"{host} cannot enter {place} ({error.strerror}), where the command was typed: relative paths begin there; "
            "type it in a folder that all machines share"
        ) from error
    return pickle.loads(shared)
