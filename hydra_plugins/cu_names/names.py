"""Names of Hydra's plug-ins that this project's options have too: its own sweeper, and if installed Ray and Optuna."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin

from cu.config.folder import config_folder

NAMES = (("launcher", "ray"), ("sweeper", "optuna"), ("sweeper", "basic"))


class OwnNames(SearchPathPlugin):
    """Takes those names back, in the commands of this project only."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra once all plug-ins are known, before any config is read."""
        own = f"file://{config_folder()}"
        if any(item.path in (own, str(config_folder())) for item in search_path.get_path()):
            known = ConfigStore.instance().repo.get("hydra", {})
            for group, option in NAMES:
                known.get(group, {}).pop(f"{option}.yaml", None)
