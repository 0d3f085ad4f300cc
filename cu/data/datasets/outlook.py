"""What can be told of a data set before it is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Size of a data set, and what of it is not here.

    Attributes:
        train: Training images, those held out for validation included.
        test: Test images, and validation images of a folder of their own.
        classes: Number of classes.
        shape: Of one image, [C, H, W].
        missing: Files that are not there.
    """

    train: int
    test: int
    classes: int
    shape: tuple[int, int, int]
    missing: tuple[Path, ...] = ()


def not_there(paths: list[Path]) -> tuple[Path, ...]:
    """Those of the files that are missing."""
    return tuple(path for path in paths if not path.exists())
