"""The loop of a search: choose a few points, have their jobs done, and learn from their values."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus, configure_log
from omegaconf import DictConfig

from cu.cli.hydra_job import Sweep
from cu.disk.files import write_text
from cu.disk.locks import locked
from cu.errors import ConfigError
from cu.jobs.sweep_status import read_status
from hydra_plugins.cu_optuna._settings import Settings
from hydra_plugins.cu_optuna._space import space_of
from hydra_plugins.cu_optuna._study import Known

log = logging.getLogger(__name__)


class Search:
    """One command's part of a search.

    Raises:
        ConfigError: The space is wrong, or the settings of all trials are.
    """

    def __init__(self, settings: Settings, config: DictConfig, loader: ConfigLoader, arguments: list[str]) -> None:
        self.settings, self.config, self.loader = settings, config, loader
        self.folder = Path(str(config.hydra.sweep.dir)).absolute()
        self.searches = self.folder.parent.parent / "searches"
        parser = OverridesParser.create(config_loader=loader)
        self.space, self.fixed = space_of(settings.params or {}, arguments, parser)
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)

    def run(self, sweeper: Any) -> None:
        """Try what is left of the budget, a batch at a time."""
        if self.config.get("objective") is None:
            raise ConfigError("objective must be given, the metric that the sweeper reads, e.g. objective=agg/val_gap")
        self.searches.mkdir(parents=True, exist_ok=True)
        known = Known(self.settings, self.space, self.fixed, self.searches)
        with locked(self.searches / f"{known.name}.lock", "another command goes on with this search"):
            known.take_up()
            done, jobs = len(known.tried()), 0
            budget = max(0, self.settings.n_trials - done)
            log.info("search %s: %d of %d trials done; %s", known.name, done, self.settings.n_trials, known.address)
            self.folder.mkdir(parents=True, exist_ok=True)
            Sweep.planned = budget
            while jobs < budget and (
                begun := self.batch(known, sweeper, min(budget - jobs, self.settings.n_jobs), jobs)
            ):
                jobs += begun
            Sweep.planned = jobs
            self.tell(known)

    def batch(self, known: Known, sweeper: Any, width: int, first: int) -> int:
        """Have a few points tried; returns how many, 0 if there is nothing left to try."""
        trials = [trial for _ in range(width) if (trial := known.next()) is not None]
        if not trials:
            log.info("every point of the space was tried")
            return 0
        jobs = [[*self.fixed, *(f"{key}={value}" for key, value in trial.params.items())] for trial in trials]
        if first == 0:  # a mistake in what all share is found before anything runs
            self.loader.load_sweep_config(self.config, list(jobs[0]))
        returns = sweeper.launcher.launch(jobs, first)
        for number, (trial, job) in enumerate(zip(trials, returns, strict=True), first):
            known.end(trial, value_of(job), read_status(self.folder, number)[0])
        return len(trials)

    def tell(self, known: Known) -> None:
        """Write the best settings, and say them."""
        if (best := known.best()) is None:
            log.info("no trial has a value yet")
            return
        found = {"name": "optuna", "best_params": dict(best.params), "best_value": best.value}
        write_text(self.folder / "optimization_results.yaml", yaml.safe_dump(found, sort_keys=False))
        words = " ".join(f"{key}={value}" for key, value in best.params.items())
        log.info("best of %d trials: %.6g with %s", len(known.tried()), best.value, words)


def value_of(job: JobReturn) -> float | None:
    """The value that a job returned; None if it failed or has none."""
    if job.status != JobStatus.COMPLETED or not isinstance(job.return_value, (int, float)):
        return None
    return float(job.return_value) if math.isfinite(job.return_value) else None
