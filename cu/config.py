"""Where configurations live, and the one error a user's setting can cause."""

from __future__ import annotations

from pathlib import Path


class ConfigError(ValueError):
    """A setting that cannot be used. Its message is one line that names the key and what it may be."""


class NotMeant(ConfigError):
    """A combination that is no mistake in a sweep over both of its parts: the sweep skips it."""


def config_folder() -> Path:
    """The folder of the Hydra groups: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its name if it has none."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
