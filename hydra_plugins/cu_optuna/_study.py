"""What a search knows: its trials, each with the settings that it tried and how that ended."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import FrozenTrial, Trial, TrialState

from cu.errors import ConfigError, first_line
from hydra_plugins.cu_optuna._settings import Settings
from hydra_plugins.cu_optuna._space import size

ENDED = "ended"  # attribute of a trial: how its job ended; none of trials that were never given to a job
LASTING = ("diverged", "invalid_config", "skipped")  # endings that another attempt would repeat
REDRAWS = 200  # draws in a row that were all tried before, after which a space counts as exhausted


class Known:
    """A study of Optuna's that never tries a point twice.

    Every draw has a random stream of its own, from the seed and the trial's number: what is drawn depends on nothing
    but these and on what is known, so that a search that is interrupted goes on as it would have.

    Raises:
        ConfigError: The storage cannot be used.
    """

    def __init__(self, settings: Settings, space: Mapping[str, BaseDistribution], fixed: list[str], folder: Path):
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self.settings, self.space = settings, dict(space)
        words = [settings.direction, settings.sampler, settings.seed, sorted(fixed)]
        words.append({key: distribution_to_json(own) for key, own in sorted(space.items())})
        self.name = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:12]
        self.address = settings.storage or f"sqlite:///{folder / f'{self.name}.db'}"
        try:
            self.study = optuna.create_study(
                storage=self.address, study_name=self.name, direction=settings.direction, load_if_exists=True
            )
        except Exception as error:  # of SQLAlchemy, of drivers, of optuna
            raise ConfigError(f"hydra.sweeper.storage={self.address} cannot be used ({first_line(error)})") from error

    def tried(self) -> list[FrozenTrial]:
        """Trials that count."""
        return [trial for trial in self.study.get_trials(deepcopy=False) if ENDED in trial.user_attrs]

    def take_up(self) -> None:
        """Give trials that failed, were stopped, or were left by a killed command another attempt."""
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state == TrialState.RUNNING:
                self.study.tell(trial.number, state=TrialState.FAIL)
                self.study.enqueue_trial(trial.params, skip_if_exists=False)

    def next(self) -> Trial | None:
        """A point that was not tried before; None if there is none, or none is found."""
        if len({point(trial.params) for trial in self.tried()} | self.running()) >= size(self.space):
            return None
        for attempt in range(REDRAWS):
            number = len(self.study.get_trials(deepcopy=False))
            self.study.sampler = self.sampler(number, attempt)
            taken = {point(trial.params) for trial in self.tried()} | self.running()
            trial = self.study.ask(self.space)
            if point(trial.params) not in taken:
                return trial
            self.study.tell(trial, state=TrialState.FAIL)
        return None

    def running(self) -> set[str]:
        """The points that are being tried."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return {point(trial.params) for trial in trials}

    def sampler(self, number: int, attempt: int) -> optuna.samplers.BaseSampler:
        """A sampler for one draw."""
        seed = int(np.random.SeedSequence([self.settings.seed, number, attempt]).generate_state(1)[0])
        if self.settings.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(seed=seed, constant_liar=self.settings.n_jobs > 1)

    def end(self, trial: Trial, value: float | None, state: str) -> None:
        """Keep how a trial ended; one that failed or was stopped is tried again by the next command."""
        if value is None and state not in LASTING:
            return
        trial.set_user_attr(ENDED, state)
        if value is None:
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, value)

    def best(self) -> FrozenTrial | None:
        """The best trial so far; None if none has a value."""
        try:
            return self.study.best_trial
        except ValueError:
            return None


def point(params: Mapping[str, Any]) -> str:
    """A point of the space as one text."""
    return json.dumps(dict(sorted(params.items())))
