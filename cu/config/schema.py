"""What each command is told, as types; `cu.config.parse` makes them from a config."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from cu.config.component import Component
from cu.config.evaluation import EvaluationConfig
from cu.config.reference import ReferenceConfig

Seed = Annotated[int, Ge(0), Lt(2**63)]


@dataclass(frozen=True, kw_only=True)
class Paths:
    """What is written below `outputs`, what is read below `data`, and who keeps locks there (`cu.disk.locks`)."""

    outputs: Path
    data: Path
    locks: Literal["system", "lease"] = "system"


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What `cu-train` is told.

    Attributes:
        seed: Of the original model.
        revision: Raised when old numbers become wrong.
        resume: What happens to a finished run.
        paths: Where things are read and written.
        dataset: The data set.
        model: The network; its setting `checkpoint` names a file of weights to start from.
        recipe: How originals and retrained models are trained.
        hardware: Device, precision, threads.
        tracking: Where the run is mirrored.
        trust: Modules of the user's own whose classes the config may name.
        removed: What earlier requests removed: run folders, or files of ids or file names. It is left out of
            everything, and so is what the run that `checkpoint` comes from removed.
        preprocessing: Who told how images are given: the data set's settings, or the config beside `checkpoint`.
        plan: Whether only to say what would be done; a number is the operations per second that it would be done with.
        save_every: Seconds between the saved states of a descent, from which a killed one goes on.
    """

    seed: Seed
    revision: int
    resume: Literal["skip", "rerun", "error"]
    paths: Paths
    dataset: Component
    model: Component
    recipe: Component
    hardware: Component
    tracking: Component
    trust: list[str]
    removed: str | list[str] | None = None
    preprocessing: Literal["given", "checkpoint"] = "given"
    plan: bool | Annotated[float, Gt(0)] = False
    save_every: Annotated[float, Ge(0)] = 60

    @property
    def checkpoint(self) -> str | None:
        """The user's own weights of the original, if there are any."""
        return self.model.get("checkpoint")

    @property
    def checkpoint_key(self) -> str | None:
        """Where in that file the weights are; None to look for them."""
        return self.model.get("checkpoint_key")

    @property
    def network(self) -> Component:
        """The network without its weights."""
        return self.model.without("checkpoint", "checkpoint_key")

    def components(self) -> dict[str, Component]:
        """All objects that the config names, by the key where they stand."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            **{key: value for key, value in named.items() if isinstance(value, Component) and key != "model"},
            "model": self.network,
        }


@dataclass(frozen=True, kw_only=True)
class RunConfig(TrainConfig):
    """What `cu-unlearn` is told.

    Attributes:
        forget_seed: Who is forgotten, in random scenarios.
        method_seed: Batches and draws of the method.
        save_model: Whether the unlearned weights are kept; None where the original is the user's own file.
        objective: The metric that a sweeper gets to see.
        objective_is_gap: Its gap to retraining instead of its value.
        scenario: Who is forgotten.
        method: How.
        evaluation: How the outcome is judged.
        reference: The retrained models that it is set against.
        sanity: What happens if original or references are not what they seem to be.
    """

    forget_seed: Seed
    method_seed: Seed
    save_model: bool | None
    objective: str | None
    objective_is_gap: bool
    scenario: Component
    method: Component
    evaluation: EvaluationConfig
    reference: ReferenceConfig
    sanity: Literal["error", "warn", "off"] = "off"

    @property
    def keeps_model(self) -> bool:
        """Whether the unlearned weights are kept."""
        return bool(self.checkpoint) if self.save_model is None else self.save_model

    def components(self) -> dict[str, Component]:
        """All objects that the config names, by the key where they stand."""
        return {**super().components(), **self.evaluation.components()}


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What `cu-evaluate` is told: which finished runs to judge again, by which suite."""

    resume: Literal["skip", "rerun", "error"]
    paths: Paths
    evaluation: EvaluationConfig
    hardware: Component
    select: Component
    trust: list[str]

    def components(self) -> dict[str, Component]:
        """All objects that the config names, by the key where they stand."""
        return {"select": self.select, "hardware": self.hardware, **self.evaluation.components()}


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """What `cu-report` is told: what to show, and where to mirror it."""

    paths: Paths
    report: Component
    tracking: Component
    trust: list[str]

    def components(self) -> dict[str, Component]:
        """All objects that the config names, by the key where they stand."""
        return {"report": self.report, "tracking": self.tracking}
