"""A model's outputs on a whole data set, kept so that metrics can be added without the model."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Container, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cu.disk.files import Damaged, writing
from cu.store.cached import cached


def save_scores(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write scores to an `.npz` file, whole or not at all."""
    with writing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]


def load_scores(path: Path, only: Container[str] | None = None) -> dict[str, np.ndarray] | None:
    """Scores from an `.npz` file; None if there is no file. The rest of the file is not read if `only` names arrays.

    Raises:
        Damaged: If it cannot be read.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files if only is None or name in only}
    except FileNotFoundError:
        return None
    except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise Damaged(f"{path} is damaged ({error})") from error


def cached_outputs(
    path: Path,
    compute: Callable[[], Mapping[str, np.ndarray]],
    enough: Callable[[Mapping[str, Any]], bool] | None = None,
) -> dict[str, np.ndarray]:
    """The arrays in a file; computed and written if there is none, it is damaged, or what it holds is not enough."""

    def load() -> dict[str, np.ndarray] | None:
        known = load_scores(path)
        return known if known is None or enough is None or enough(known) else None

    return cached(load, lambda: dict(compute()), partial(save_scores, path))
