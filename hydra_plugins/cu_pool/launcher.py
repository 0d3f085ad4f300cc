"""The launcher as Hydra sees it. Hydra imports this module at every start, so it imports next to nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from cu.errors import ConfigError


class PoolLauncher(Launcher):
    """Runs each job in a process of its own, a few at once: whatever kills one costs that job and no other.

    Args of the constructor are the settings of `configs/hydra/launcher/pool.yaml`, explained there.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in settings.items()}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before the sweep.

        Raises:
            ConfigError: A setting is wrong.
        """
        from hydra_plugins.cu_pool._slots import checked, slots

        if not hasattr(os, "fork"):
            raise ConfigError("hydra/launcher=pool needs a system that can fork processes; try hydra/launcher=joblib")
        self.checked = checked(self.settings)
        self.slots = slots(self.checked)
        self.shared = hydra_context, config, task_function
        self.gathering = None

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs; returns how each ended, in the order of the batch."""
        from hydra_plugins.cu_gathering._gather import Gathering
        from hydra_plugins.cu_pool._pool import Pool

        if self.gathering is None:  # a search launches many batches, and the imports are made once
            self.gathering = Gathering(Pool(self.slots, self.checked, self.shared), self.shared)
        return self.gathering.run(job_overrides, initial_job_idx)
