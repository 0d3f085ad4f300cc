"""The text of `--help`."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill, indent

from omegaconf import DictConfig, OmegaConf

from cu.config.folder import config_folder


def help_text(name: str, folders: list[Path]) -> str:
    """The help that the primary config holds; Hydra's own way to it takes a second more.

    Args:
        name: The primary config.
        folders: Where options of groups are, the package's own folder and the user's.
    """
    config = OmegaConf.load(config_folder() / f"{name}.yaml")
    own = {str(key).split()[-1] for entry in config.defaults if isinstance(entry, DictConfig) for key in entry}
    options: dict[str, set[str]] = {}
    for folder in folders:
        for path in folder.glob("*/**/*.yaml"):
            group, *option = path.relative_to(folder).with_suffix("").parts
            options.setdefault(group, set()).add("/".join(option))
    lines = [
        fill(f"{group}: {', '.join(sorted(found))}", 110, subsequent_indent="    ")
        for group, found in sorted(options.items())
        if group in own - {"cells", "search"}  # chosen by an option of `settings`, never by name
    ]
    groups = indent("\n".join(lines) + "\n", "  ")
    return str(config.hydra.help.template).replace("$APP_CONFIG_GROUPS", groups)
