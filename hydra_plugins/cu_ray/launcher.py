"""The launcher as Hydra sees it. Hydra imports this module at every start, so it imports next to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import util
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from cu.errors import ConfigError


class RayLauncher(Launcher):
    """Runs each job as a task of Ray in a process of its own: whatever ends one costs that job and no other.

    Args of the constructor are the settings of `configs/hydra/launcher/ray.yaml`, explained there.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in settings.items()}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before the sweep.

        Raises:
            ConfigError: A setting is wrong, or Ray is not installed.
        """
        from hydra_plugins.cu_ray._settings import checked

        if util.find_spec("ray") is None:
            raise ConfigError("hydra/launcher=ray needs the extra 'ray': pip install ray")
        self.checked = checked(self.settings)
        self.shared = hydra_context, config, task_function
        self.gathering = None

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs; returns how each ended, in the order of the batch."""
        from hydra_plugins.cu_gathering._gather import Gathering
        from hydra_plugins.cu_ray._ray import Ray

        if self.gathering is None:  # a search launches many batches, and Ray is joined once
            self.gathering = Gathering(Ray(self.checked, self.shared), self.shared)
        return self.gathering.run(job_overrides, initial_job_idx)
