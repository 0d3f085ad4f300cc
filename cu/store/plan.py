"""What a job is about to do and where its results belong, told from the config alone, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from cu.config.build import build
from cu.config.parse import parse
from cu.config.schema import RunConfig, TrainConfig
from cu.config.trust import require_trusted
from cu.config.validate import check
from cu.data.scenarios.types import Scenario
from cu.disk.digest import sha256
from cu.disk.files import Damaged, read_mapping
from cu.errors import ConfigError
from cu.store.evaluation_id import evaluation_id
from cu.store.fingerprint import fingerprint
from cu.store.handed_back import is_handed_back
from cu.store.identity import forgotten_by, original_identity, unlearned_identity
from cu.store.intact import require_intact
from cu.store.place import precision_of, resolved
from cu.store.removed import removal_of
from cu.store.result import RunResult, TrainResult, read_run_result, read_train_result
from cu.store.runs import RunFolder

NAMED = ("dataset", "model", "recipe", "scenario", "method", "settings")
C = TypeVar("C", bound=TrainConfig, covariant=True)
R = TypeVar("R", bound=RunResult | TrainResult, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Plan(Generic[C, R]):
    """One job.

    Attributes:
        config: What the job is told.
        written: The same as plain containers, for the record.
        names: The chosen option of each group in `NAMED`.
        original: Identity of the original model.
        identity: Identity of the outcome.
        folder: Where the record goes.
        product: The weights that the job must leave behind; None if the record is enough.
    """

    kind: ClassVar[Literal["train", "unlearn"]]

    config: C
    written: Mapping[str, Any]
    names: Mapping[str, str]
    original: Mapping[str, Any]
    identity: Mapping[str, Any]
    folder: RunFolder
    product: Path | None

    @property
    def fingerprint(self) -> str:
        """The outcome's fingerprint."""
        return fingerprint(self.identity)

    def finished(self) -> R | None:
        """The result, if all that the job must leave behind is there and whole."""
        raise TypeError("plans are made by plan_training and plan_unlearning")

    def weights_are_there(self) -> bool:
        """Whether the weights that the job must leave behind are there and whole."""
        return self.product is None or intact(self.product)


@dataclass(frozen=True, kw_only=True)
class TrainPlan(Plan[TrainConfig, TrainResult]):
    """A training of an original model."""

    kind: ClassVar[Literal["train", "unlearn"]] = "train"

    def finished(self) -> TrainResult | None:
        """The result, if all that the job must leave behind is there and whole."""
        try:
            done = self.folder.ended_well() and self.weights_are_there()
            return read_train_result(self.folder.path) if done else None
        except Damaged:
            return None


@dataclass(frozen=True, kw_only=True)
class RunPlan(Plan[RunConfig, RunResult]):
    """An unlearning run.

    Attributes:
        forgotten: Identity of who is forgotten.
    """

    kind: ClassVar[Literal["train", "unlearn"]] = "unlearn"

    forgotten: Mapping[str, Any]

    @property
    def evaluation_id(self) -> str:
        """Fingerprint of how the outcome is evaluated."""
        return evaluation_id(self.config)

    def finished(self) -> RunResult | None:
        """The result, if all that the job must leave behind is there, whole, and evaluated as asked for now."""
        try:
            done = self.folder.ended_well() and self.weights_are_there()
            if self.config.checkpoint and self.config.keeps_model:
                done = done and is_handed_back(self.folder.path)
            result = read_run_result(self.folder.path) if done else None
            if result is not None:
                require_intact(self.folder.path, result.lists)
        except Damaged:
            return None
        return result if result is not None and result.evaluation_id == self.evaluation_id else None


def plan_unlearning(config: Mapping[str, Any], names: Mapping[str, str]) -> RunPlan:
    """The plan of an unlearning run.

    Args:
        config: Resolved, as plain containers.
        names: The chosen option of each group.

    Raises:
        ConfigError: A setting of the runner itself is wrong, or a file that decides what is done cannot be read.
    """
    typed = resolved(parse(RunConfig, config))
    scenario = scenario_of(typed)
    forgotten = forgotten_by(scenario.identity(), typed.forget_seed)
    if scenario.changes_training and typed.checkpoint:
        raise ConfigError(
            f"scenario={names['scenario']} trains its original on other data than the data set's own: "
            "model.checkpoint must be null"
        )
    removed = removal_of(typed).identity()
    original = original_identity(typed, precision_of(typed), forgotten if scenario.changes_training else None, removed)
    identity = unlearned_identity(typed, original, typed.method_seed, forgotten)
    parts = [folder_name(names[group]) for group in ("dataset", "model", "scenario", "method")]
    path = typed.paths.outputs.joinpath("runs", *parts, fingerprint(identity))
    return RunPlan(
        config=typed,
        written=config,
        names=names,
        original=original,
        identity=identity,
        folder=RunFolder(path),
        product=path / "model.safetensors" if typed.keeps_model else None,
        forgotten=forgotten,
    )


def plan_training(config: Mapping[str, Any], names: Mapping[str, str]) -> TrainPlan:
    """The plan of training an original model.

    Raises:
        ConfigError: As `plan_unlearning`.
    """
    typed = resolved(parse(TrainConfig, config))
    original = original_identity(typed, precision_of(typed), removed=removal_of(typed).identity())
    outputs, parts = typed.paths.outputs, [folder_name(names[group]) for group in ("dataset", "model")]
    path = outputs.joinpath("trained", *parts, fingerprint(original))
    return TrainPlan(
        config=typed,
        written=config,
        names=names,
        original=original,
        identity=original,
        folder=RunFolder(path),
        product=outputs / "models" / fingerprint(original) / "model.safetensors",
    )


def scenario_of(config: RunConfig) -> Scenario:
    """The checked scenario of a run; it needs no torch."""
    require_trusted({"scenario": config.scenario}, config.trust)
    check(config.scenario.node, "scenario")
    return build(config.scenario)


def intact(weights: Path) -> bool:
    """True if the weights are there and match the sha256 in `model.json` beside them."""
    record = read_mapping(weights.with_name("model.json"))
    return weights.exists() and record is not None and record.get("sha256") == sha256(weights)


def folder_name(option: str) -> str:
    """A group option as one folder name."""
    return option.replace("/", "-")
