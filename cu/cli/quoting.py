"""Paths on the command line, whatever is in their names, as Hydra's grammar wants them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

PATHS = ("dataset.folder", "model.checkpoint", "paths.data", "paths.outputs", "removed", "scenario.file")


def with_quoted_paths(arguments: Sequence[str]) -> list[str]:
    """A command line in which the values of settings that are paths are quoted where Hydra would misread them.

    A value is one path if there is a file or folder of this name, or if it cannot be read otherwise; in a sweep,
    several that are separated by commas.
    """
    sweep = bool({"-m", "--multirun"} & set(arguments))
    return [_quoted_path(argument, sweep) for argument in arguments]


def quoted(override: str) -> str:
    """An override with its value in quotes, as Hydra reads it."""
    key, _, value = override.partition("=")
    return f"{key}={_in_quotes(value)}"


def for_shell(override: str) -> str:
    """An override with its value in quotes, as one types it."""
    return shlex.quote(quoted(override))


def _quoted_path(argument: str, sweep: bool) -> str:
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in PATHS or value[:1] in ("'", '"') or "${" in value:
        return argument
    one = Path(value).expanduser().exists() if value else False
    parsed = _parsed(argument)
    if parsed is not None and not (one and _is_no_text(parsed)) and not _is_number(parsed):
        return argument
    if parsed is None and value.startswith("["):  # a list, in which the user has to quote
        return argument
    if sweep and not one and "," in value:
        return f"{key}={','.join(map(_in_quotes, value.split(',')))}"
    return quoted(argument)


def _parsed(argument: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException:
        return None


def _is_no_text(override: Override) -> bool:
    return override.is_sweep_override() or not isinstance(override._value, (str, QuotedString))


def _is_number(override: Override) -> bool:
    return not override.is_sweep_override() and isinstance(override._value, (int, float))


def _in_quotes(value: str) -> str:
    # Backslashes count for themselves except before a quote, where each stands for half of one.
    inner = re.sub(r"(\\*)'", r"\1\1\'", value)
    tail = len(inner) - len(inner.rstrip("\\"))
    return f"'{inner}{chr(92) * tail}'"


def options_first(words: Sequence[str]) -> list[str]:
    """A command line with its options before all settings, since Hydra takes no settings on both sides of one."""
    options, settings, rest = [], [], iter(words)
    for word in rest:
        (options if word.startswith("-") else settings).append(word)
        if word in ("--config-dir", "-cd"):
            options += [value for value in [next(rest, None)] if value is not None]
    return [*options, *settings]
