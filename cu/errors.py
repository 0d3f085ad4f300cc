"""The one error that a user's setting can cause, and how errors are put into one line."""

from __future__ import annotations

import traceback
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path


class ConfigError(ValueError):
    """A setting that cannot be used. Its message is one line that names the key and what it may be."""


class NotMeant(ConfigError):
    """A combination that is no mistake in a sweep over both of its parts: the sweep skips it."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its name if it has none."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def described(error: BaseException) -> str:
    """An error's name and the first line of its message; for an exit in the middle of work, who asked for it."""
    if isinstance(error, SystemExit):
        return f"SystemExit: code inside the job called sys.exit({error.code!r})"
    return f"{type(error).__name__}: {first_line(error)}"


def raised(error: BaseException) -> str:
    """What the user's own code raised, and in which line, for a message about the setting that names it."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is the caller's own
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{described(error)}{'' if isinstance(error, SyntaxError) else place}"


def suggestion(word: str, known: Collection[str], text: str) -> str:
    """`text` with the known word closest to a misspelt one in place of `{}`; empty if none is close."""
    close = get_close_matches(word, known, 1)
    return text.format(close[0]) if close else ""
