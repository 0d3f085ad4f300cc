"""Names of Hydra's plug-ins that this project's options have too: its own sweeper, and if installed Ray and Optuna."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigNode, ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin

from cu.config.folder import config_folder

NAMES = (("launcher", "ray"), ("sweeper", "optuna"), ("sweeper", "basic"))

_taken: dict[tuple[str, str], ConfigNode] = {}


class OwnNames(SearchPathPlugin):
    """Takes those names back, in the commands of this project only."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra once all plug-ins are known, before any config is read."""
        folder = config_folder()
        ours = any(item.path in (f"file://{folder}", str(folder)) for item in search_path.get_path())
        known = ConfigStore.instance().repo.get("hydra", {})
        for group, option in NAMES:
            options, name = known.get(group, {}), f"{option}.yaml"
            if ours and name in options:
                _taken[group, name] = options.pop(name)
            elif not ours and (group, name) in _taken:  # another program's configs, later in the same process
                options[name] = _taken.pop((group, name))
