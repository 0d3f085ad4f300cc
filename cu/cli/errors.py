"""What is wrong with a command line, in one line that names the key and what it may be."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from errno import EACCES, EEXIST, ENOTDIR, EPERM, EROFS
from itertools import pairwise
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cu.cli.hints import close, elsewhere
from cu.cli.quoting import for_shell
from cu.config.folder import config_folder
from cu.errors import ConfigError, first_line, suggestion
from cu.jobs.meeting import speaks

PLUGINS = ("hydra/launcher=", "hydra/sweeper=")  # whose settings are part of the config
UNWRITABLE = (EACCES, EPERM, EROFS, ENOTDIR, EEXIST)
# Options that come with a package of their own, and the extra that installs it.
EXTRAS = {
    "hydra/launcher/joblib": ("joblib", "hydra-joblib-launcher"),
}


def explain_hydra_error(error: BaseException, name: str, arguments: Sequence[str]) -> tuple[str, int] | None:
    """One line and the exit code for what went wrong outside a job; None for a bug.

    Args:
        error: What was raised.
        name: The primary config.
        arguments: The command line.
    """
    if isinstance(error, (ConfigError, HydraException, OmegaConfBaseException)):
        return mistake(error, name, arguments), 2
    if isinstance(error, ValueError) and "Config group override must be" in str(error):
        group = next((a.partition("=")[0] for a in arguments if a.endswith("=null")), "")
        return unknown_option(f"{group}/null", [], arguments), 2
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return f"paths.outputs: {error.filename} cannot be written ({error.strerror}); use another folder", 2
    if isinstance(error, OSError):
        return str(error), 1
    if isinstance(error, BrokenExecutor):
        return "a worker process was killed, perhaps for lack of memory; type the command again to go on", 1
    return None


def mistake(error: BaseException, name: str, arguments: Sequence[str]) -> str:
    """What Hydra or OmegaConf mean, without their several lines."""
    text = str(error)
    if isinstance(error, OverrideParseException):
        typed = str(error.override)
        remedy = f"if its value is one text, type {for_shell(typed)}" if "=" in typed else "settings are key=value"
        return f"cannot read {typed!r}: {remedy} ({first_line(error)})"
    absent = re.search(r"Could not (?:find|load) '([^']+)'", text)
    if absent and (extra := next((EXTRAS[name] for name in EXTRAS if absent[1].startswith(name)), None)):
        return f"{absent[1]} needs the extra {extra[0]!r}: pip install {extra[1]}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        return unknown_option(error.missing_cfg_file, error.options, arguments)
    if match := re.search(r"Could not (?:override|delete from config\.) *'([^']+)'", text):
        return unknown_key(match[1], name, arguments)
    if match := re.search(r"Missing mandatory value: (\S+)", text):
        return f"{match[1]} must be given, e.g. {match[1]}=..."
    if match := re.search(r"full_key: (\S+)", text):
        return f"{match[1]}: {first_line(error)}"
    return " ".join(line.strip() for line in text.splitlines()[:3] if line.strip())


def unknown_option(path: str, options: Sequence[str], arguments: Sequence[str]) -> str:
    """Name the options of a group, those in its subfolders too, as one would type them.

    Args:
        path: What was asked for, `group/option`; either may have slashes.
        options: What Hydra knows at the top of the group.
        arguments: The command line, which tells group and option apart.
    """
    typed = (argument.lstrip("+").partition("=") for argument in arguments)
    group, option = next(((g, o) for g, _, o in typed if f"{g}/{o}" == path), path.rpartition("/")[::2])
    folders = [folder / group for folder in (config_folder(), *own_folders(arguments))]
    nested = {file.relative_to(f).with_suffix("").as_posix() for f in folders for file in f.rglob("*.yaml")}
    known = sorted({*options, *nested})
    hint = suggestion(option, known, f"did you mean {group}={{}}? ")
    return f"{group}={option} does not exist: {hint}it may be {', '.join(known)}"


def unknown_key(key: str, name: str, arguments: Sequence[str]) -> str:
    """Name the settings that exist where `key` does not."""
    parent, _, leaf = key.rpartition(".")
    others = [a for a in arguments if a.split("=")[0].lstrip("+~") != key]
    node = config_at(parent, name, others)
    if node is None:
        return f"{key!r} is not a setting: there is no {parent!r} either"
    known = [str(k) for k in node if not str(k).startswith("_")]
    if leaf in known:
        return f"{key!r} is not a setting of every option that is swept over{lacking(parent, leaf, name, others)}"
    value = next((a.partition("=")[2] for a in arguments if a.split("=")[0].lstrip("+~") == key), "...")
    hint = close(leaf, known, parent) or elsewhere(key, value, node, [config_folder(), *own_folders(arguments)])
    return f"{key!r} is not a setting: {hint}{parent or 'the config'} has {', '.join(known) or 'no settings'}"


def lacking(parent: str, leaf: str, name: str, arguments: Sequence[str]) -> str:
    """Which of the options that are swept over do not have a setting."""
    group = parent.split(".")[0]
    options = next((a.partition("=")[2].split(",") for a in arguments if a.startswith(f"{group}=") and swept(a)), [])
    rest = [a for a in arguments if not a.startswith(f"{group}=")]
    nodes = {option: config_at(parent, name, [*rest, f"{group}={option}"]) for option in options}
    without = [f"{group}={option}" for option, node in nodes.items() if node is None or leaf not in node]
    verb = "does" if len(without) == 1 else "do"
    return f": {', '.join(without)} {verb} not have it; sweep over the others" if without else ""


def config_at(parent: str, name: str, arguments: Sequence[str]) -> DictConfig | None:
    """What is at `parent` in the config that the remaining arguments give; None if there is no such place."""
    GlobalHydra.instance().clear()
    words = [a for a in arguments if re.match(r"~|[+\w].*=", a) and not swept(a)]
    single = [a for a in words if a.startswith(PLUGINS) or not a.startswith("hydra")]
    own = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in own_folders(arguments))}]"]
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            node = compose(name, single + own, return_hydra_config=parent.startswith("hydra"))
    except HydraException:
        return None
    node = OmegaConf.select(node, parent) if parent else node
    return node if isinstance(node, DictConfig) else None


def require_hydra(arguments: Sequence[str]) -> None:
    """Check that no part of Hydra's own settings is taken away, which Hydra finds out late or never.

    Raises:
        ConfigError: One is.
    """
    for argument in arguments:
        if match := re.fullmatch(r"\+{0,2}(hydra(?:\.\w+)?)=(null|~|None)?|~(hydra(?:\.\w+)?)", argument):
            name = match[1] or match[3]
            raise ConfigError(f"{argument}: {name} must be a group of settings; leave it out")


def swept(argument: str) -> bool:
    """Whether an override gives several values, outside of brackets."""
    return "," in re.sub(r"\[.*\]|\(.*\)|\{.*\}", "", argument.partition("=")[2])


def own_folders(arguments: Sequence[str]) -> list[Path]:
    """The user's own config folders, from `--config-dir`."""
    words = [part for argument in arguments for part in argument.split("=", 1 if argument.startswith("-") else 0)]
    return [Path(after).resolve() for word, after in pairwise(words) if word in ("--config-dir", "-cd")]


def say(line: str) -> None:
    """One line on stderr, once however many processes work on the job."""
    if speaks():
        print(" ".join(line.split()), file=sys.stderr, flush=True)
