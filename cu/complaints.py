"""What Hydra and OmegaConf say about a wrong command line, in one line that names the key and what it may be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cu.config import ConfigError, config_folder, first_line


def complaint(error: Exception, name: str, arguments: Sequence[str]) -> str | None:
    """One line for a mistake of the user, None for any other error.

    Args:
        error: What was raised.
        name: The primary config.
        arguments: The command line.
    """
    text = str(error)
    if isinstance(error, ConfigError):
        return text
    if not isinstance(error, (HydraException, OmegaConfBaseException)):
        return None
    if match := re.search(r"Could not (?:override|delete from config\.) *'([^']+)'", text):
        return unknown_key(match[1], name, arguments)
    if match := re.search(r"Could not find '([^']+)/([^'/]+)'\s+Available options in '[^']+':\s+(.*)", text, re.DOTALL):
        options = ", ".join(line.strip() for line in match[3].splitlines() if line.startswith("\t"))
        return f"{match[1]}={match[2]} does not exist; it may be {options}"
    if match := re.search(r"full_key: (\S+)", text):
        return f"{match[1]}: {first_line(error)}"
    return " ".join(line.strip() for line in text.splitlines()[:3] if line.strip())


def unknown_key(key: str, name: str, arguments: Sequence[str]) -> str:
    """Name the settings that exist where `key` does not."""
    parent, _, leaf = key.rpartition(".")
    others = [a for a in arguments if not a.startswith("-") and a.split("=")[0].lstrip("+~") != key]
    known = settings_at(parent, name, others)
    close = get_close_matches(leaf, known, 1)
    hint = f"did you mean {'.'.join(filter(None, [parent, close[0]]))!r}? " if close else ""
    there = f"{parent or 'the config'} has {', '.join(known)}" if known else f"there is no {parent!r} either"
    return f"{key!r} is not a setting: {hint}{there}"


def settings_at(parent: str, name: str, overrides: Sequence[str]) -> list[str]:
    """The settings below `parent` in the config that the remaining overrides give."""
    GlobalHydra.instance().clear()
    single = [o for o in overrides if "," not in o.partition("=")[2] and not o.startswith("hydra")]
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            node = compose(name, single)
    except HydraException:
        return []
    node = OmegaConf.select(node, parent) if parent else node
    return [str(k) for k in node if not str(k).startswith("_")] if isinstance(node, DictConfig) else []
