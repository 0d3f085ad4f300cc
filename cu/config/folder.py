"""Where the Hydra configurations live."""

from __future__ import annotations

from pathlib import Path


def config_folder() -> Path:
    """The folder of the Hydra groups: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"
