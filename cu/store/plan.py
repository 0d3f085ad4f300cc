"""What a job is about to do and where its results belong, told from the config alone, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge

from cu.config.validate import check_value
from cu.engine.precision import resolve_precision
from cu.store.files import Damaged, read_json
from cu.store.identity import fingerprint, original_identity, run_identity, sha256
from cu.store.runs import RunFolder

NAMED = ("dataset", "model", "recipe", "scenario", "method", "settings")
# What the settings may be that no `_target_` takes.
RUNNER_SETTINGS = {
    "seed": int,
    "forget_seed": int,
    "method_seed": int,
    "revision": int,
    "resume": Literal["skip", "rerun", "error"],
    "save_model": bool,
    "objective": str | None,
    "objective_is_gap": bool,
    "paths.outputs": str,
    "paths.data": str,
    "reference.k": Annotated[int, Ge(0)],
    "evaluation.name": str,
    "evaluation.trajectory_every": Annotated[int, Ge(0)],
    "evaluation.save_predictions": bool,
}


@dataclass(frozen=True)
class Plan:
    """One job.

    Attributes:
        config: The resolved config as plain containers.
        names: The chosen option of each group in `NAMED`.
        original: Identity of the original model.
        identity: Identity of the outcome.
        folder: Where the record goes.
        product: The weights that the job must leave behind; None if the record is enough.
    """

    config: Mapping[str, Any]
    names: Mapping[str, str]
    original: Mapping[str, Any]
    identity: Mapping[str, Any]
    folder: RunFolder
    product: Path | None

    @property
    def fingerprint(self) -> str:
        """The outcome's fingerprint."""
        return fingerprint(self.identity)

    @property
    def outputs(self) -> Path:
        """Where everything is written."""
        return Path(self.config["paths"]["outputs"])

    @property
    def evaluation_id(self) -> str | None:
        """Fingerprint of how the outcome is evaluated; None for a training, which is not."""
        if "evaluation" not in self.config:
            return None
        return fingerprint([self.config["evaluation"], self.config["reference"]])

    def finished(self) -> Mapping[str, Any] | None:
        """The result, if all that the job must leave behind is there, whole, and evaluated as asked for now."""
        try:
            status, result = (read_json(self.folder.path / name) or {} for name in ("status.json", "result.json"))
            there = self.product is None or intact(self.product)
        except Damaged:
            return None
        asked = status.get("state") == "finished" and result.get("evaluation_id") == self.evaluation_id
        return result if result and asked and there else None


def plan_unlearning(config: Mapping[str, Any], names: Mapping[str, str]) -> Plan:
    """The plan of an unlearning run.

    Raises:
        ConfigError: A setting of the runner itself is wrong, or a file that decides what is done cannot be read.
    """
    check_runner_settings(config)
    original = original_identity(config, precision_of(config))
    identity = run_identity(config, original)
    parts = [safe(names[group]) for group in ("dataset", "model", "scenario", "method")]
    path = Path(config["paths"]["outputs"], "runs", *parts, fingerprint(identity))
    product = path / "model.safetensors" if config["save_model"] else None
    return Plan(config, names, original, identity, RunFolder(path), product)


def plan_training(config: Mapping[str, Any], names: Mapping[str, str]) -> Plan:
    """The plan of training an original model.

    Raises:
        ConfigError: As `plan_unlearning`.
    """
    check_runner_settings(config)
    original = original_identity(config, precision_of(config))
    outputs, parts = Path(config["paths"]["outputs"]), [safe(names[group]) for group in ("dataset", "model")]
    path = outputs.joinpath("trained", *parts, fingerprint(original))
    product = outputs / "models" / fingerprint(original) / "model.safetensors"
    return Plan(config, names, original, original, RunFolder(path), product)


def plan_evaluation(config: Mapping[str, Any], folder: Path) -> Plan:
    """The plan of judging a finished run again. It has no identities: they are those of what the run left behind."""
    return Plan(config, {}, {}, {}, RunFolder(folder), None)


def check_runner_settings(config: Mapping[str, Any]) -> None:
    """Check the settings that belong to the runner itself.

    Raises:
        ConfigError: One line that names the first wrong key and what it may be.
    """
    for key, hint in RUNNER_SETTINGS.items():
        group, _, name = key.rpartition(".")
        node = config.get(group, {}) if group else config
        if name in node:
            check_value(node[name], hint, key)


def intact(weights: Path) -> bool:
    """Whether a file of weights is there, and is the one that the record beside it, if there is one, speaks of."""
    record = read_json(weights.with_name("model.json"))
    return weights.exists() and (record is None or record.get("sha256") == sha256(weights))


def precision_of(config: Mapping[str, Any]) -> str:
    """The precision models are trained in on this machine."""
    return resolve_precision(config["hardware"]["precision"], config["hardware"]["device"])


def safe(name: str) -> str:
    """A group option as one folder name."""
    return name.replace("/", "-")
