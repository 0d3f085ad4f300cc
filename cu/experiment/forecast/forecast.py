"""What jobs would do, take and leave: told without doing any of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from cu.config.build import build
from cu.data.datasets.outlook import Outlook
from cu.experiment.forecast.speed import MeasuredSpeeds
from cu.experiment.forecast.trainings import EarlierRuns, Training, distinct, further_of, trainings
from cu.experiment.forecast.work import Load, load_of, missing_files, outlook_of
from cu.store.fingerprint import fingerprint
from cu.store.plan import Plan, RunPlan

PASSES = 1  # over the training set, that a method is taken to make if its settings name no epochs


@dataclass
class Forecast:
    """What jobs would do.

    Attributes:
        finished: Jobs whose result is there.
        todo: The others.
        trainings: Models that these need, each once.
        missing: Data files that are not there, by data set, and whether they may be downloaded.
        seconds: Of work, by part, on one device, one after the other.
        bytes: That would be written.
        speeds: Operations per second with their source, by network.
        device: That the jobs would use.
        unmeasured: Suites of metrics whose time nobody knows; it is not in `seconds`.
        unknown: Data sets that do not say their size; nothing of their jobs is in `seconds` and `bytes`.
    """

    finished: int = 0
    todo: int = 0
    trainings: list[Training] = field(default_factory=list)
    missing: dict[str, tuple[tuple[Path, ...], bool]] = field(default_factory=dict)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    bytes: int = 0
    speeds: dict[str, tuple[float, str]] = field(default_factory=dict)
    device: str = ""
    unmeasured: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


def forecast(jobs: Sequence[tuple[Plan[Any, Any], int]]) -> Forecast:
    """What jobs would do.

    Args:
        jobs: Plans, each with how many jobs are like it; a sweeper that chooses settings on the way has many.
    """
    told = Forecast()
    earlier = {plan.config.paths.outputs: EarlierRuns(plan.config.paths.outputs) for plan, _ in jobs}
    looks = _Looks()
    todo, seen = [], set()
    for plan, count in jobs:
        if plan.folder.path in seen or (plan.config.resume != "rerun" and plan.finished() is not None):
            told.finished += count
            continue
        seen.add(plan.folder.path)
        told.todo += count
        todo.append((plan, count))
    wanted = [one for plan, _ in todo for one in trainings(plan, earlier[plan.config.paths.outputs])]
    told.trainings = distinct(wanted)
    for training in told.trainings:
        if not training.there:
            looks.add_training(told, training)
    for plan, count in todo:
        looks.add_job(told, plan, count, earlier[plan.config.paths.outputs])
    return told


class _Looks:
    """What is looked at once for all jobs: data sets, networks, speeds."""

    def __init__(self) -> None:
        self.outlooks: dict[str, Outlook | None] = {}
        self.speeds: dict[Any, MeasuredSpeeds] = {}

    def load(self, told: Forecast, plan: Plan[Any, Any]) -> Load | None:
        """Of a job; None if its data set does not say its size."""
        name, config = plan.names["dataset"], plan.config
        key = fingerprint(config.dataset.node)
        if key not in self.outlooks:
            self.outlooks[key] = outlook_of(config)
            if files := missing_files(self.outlooks[key]):
                told.missing[name] = (files, bool(config.dataset.get("download")))
        outlook = self.outlooks[key]
        if outlook is None:
            told.unknown.add(name)
            return None
        return load_of(config, outlook)

    def rate(self, told: Forecast, plan: Plan[Any, Any]) -> float:
        """Operations per second of a job's network."""
        config, given = plan.config, plan.config.plan
        key = (config.paths.outputs, fingerprint(config.hardware.node))
        if key not in self.speeds:
            hardware = build(config.hardware).resolved()
            stated = None if isinstance(given, bool) else float(given)
            self.speeds[key] = MeasuredSpeeds(config.paths.outputs, hardware, stated)
            told.device = hardware.device
        speed = self.speeds[key].of(config.model)
        told.speeds[plan.names["model"]] = (speed.rate, speed.source)
        return speed.rate

    def add_training(self, told: Forecast, training: Training) -> None:
        """One model: trained, scored, kept."""
        if (load := self.load(told, training.plan)) is None:
            return
        rate = self.rate(told, training.plan)
        told.seconds["trainings"] += load.training / rate
        told.seconds["scoring"] += load.scoring / rate
        told.bytes += load.network.weights + load.outputs

    def add_job(self, told: Forecast, plan: Plan[Any, Any], count: int, earlier: EarlierRuns) -> None:
        """What a job does besides the trainings that it shares."""
        if not isinstance(plan, RunPlan) or (load := self.load(told, plan)) is None:
            return
        config, rate = plan.config, self.rate(told, plan)
        unlearned = 1 + further_of(plan).unlearned
        told.seconds["methods"] += count * unlearned * passes(plan) * load.epoch / rate
        told.seconds["scoring"] += count * unlearned * load.scoring / rate
        told.bytes += count * (load.outputs * (config.evaluation.keep != "summary"))
        told.bytes += count * load.network.weights * (config.keeps_model + unlearned - 1)
        suite = config.evaluation.name
        known = [
            sum(float(result["timings"].get(part, 0)) for part in ("evaluation_seconds", "audit_seconds"))
            for _, result in earlier.results
            if result.get("evaluation") == suite and result.get("names", {}).get("dataset") == plan.names["dataset"]
        ]
        if known:
            told.seconds["evaluation"] += count * median(known)
        else:
            told.unmeasured.add(suite)


def passes(plan: Plan[Any, Any]) -> float:
    """Over the training set, that a method is taken to make: the epochs that its settings name."""
    settings: Mapping[str, Any] = plan.config.method.node
    if plan.config.method.target.endswith(".Retrain"):
        return 0  # its training is counted among the others
    if not any(not name.startswith("_") for name in settings):
        return 0  # null baselines
    recipe = settings.get("recipe")
    epochs = recipe.get("epochs") if isinstance(recipe, Mapping) else settings.get("max_epochs", settings.get("epochs"))
    return float(PASSES if epochs is None else epochs)
