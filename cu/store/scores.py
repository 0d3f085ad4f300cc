"""A model's outputs on a whole data set, kept so that metrics can be added without the model."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cu.store.files import Damaged, writing


def save_scores(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write scores to an `.npz` file, whole or not at all."""
    with writing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]


def load_scores(path: Path) -> dict[str, np.ndarray] | None:
    """Scores from an `.npz` file; None if there is no file.

    Raises:
        Damaged: If it cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        return None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise Damaged(f"{path} is damaged ({error})") from error
