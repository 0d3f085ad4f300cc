"""The sweeper as Hydra sees it. Hydra imports this module at every start, so it imports next to nothing."""

from __future__ import annotations

from importlib import util
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from cu.errors import ConfigError


class OptunaSweeper(Sweeper):
    """Searches a space for the settings with the best value of `objective`.

    Args of the constructor are the settings of `configs/hydra/sweeper/optuna.yaml`, explained there.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in settings.items()}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before the sweep.

        Raises:
            ConfigError: A setting is wrong, or Optuna is not installed.
        """
        from hydra_plugins.cu_optuna._settings import checked

        if util.find_spec("optuna") is None:
            raise ConfigError("hydra/sweeper=optuna needs the extra 'optuna': pip install optuna")
        self.checked = checked(self.settings)
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Search.

        Raises:
            ConfigError: The space is wrong.
        """
        from hydra_plugins.cu_optuna._search import Search

        assert self.config is not None
        assert self.hydra_context is not None
        Search(self.checked, self.config, self.hydra_context.config_loader, arguments).run(self)
