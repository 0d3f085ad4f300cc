"""The sweeper over grids. Hydra imports this module at every start, so it imports next to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins import basic_sweeper
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class GridSweeper(Sweeper):
    """Hydra's own, which composes every job's config beforehand to find mistakes, and then again to run it.

    Whether a config can be composed depends on the chosen options and on which keys are set, hardly ever on a value: of
    the jobs that have these in common one is composed beforehand.

    Args of the constructor are the settings of `configs/hydra/sweeper/basic.yaml`, explained there.
    """

    def __init__(self, **settings: Any) -> None:
        # Looked up now: Hydra executes the modules of its plug-ins anew, and then an earlier class is another one.
        self.own = basic_sweeper.BasicSweeper(**settings)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before the sweep."""
        self.hydra_context, self.config = hydra_context, config
        self.own.setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.own.validate_batch_is_legal = self.validate_batch_is_legal  # type: ignore[method-assign]

    def sweep(self, arguments: list[str]) -> Any:
        """Run every combination."""
        return self.own.sweep(arguments)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose one job of each kind."""
        assert self.hydra_context is not None
        loader = self.hydra_context.config_loader
        groups: dict[str, bool] = {}

        def kind(words: Sequence[str]) -> tuple[str, ...]:
            keys = [word.partition("=")[0] for word in words]
            for key in keys:
                if key not in groups:
                    groups[key] = bool(loader.get_group_options(key.lstrip("+~").partition("@")[0]))
            return tuple(word if groups[key] else key for word, key in zip(words, keys, strict=True))

        super().validate_batch_is_legal(list({kind(words): words for words in batch}.values()))
