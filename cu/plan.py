"""What a job is about to do and where its results belong, told from the config alone, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cu.fingerprint import fingerprint, original_identity, run_identity
from cu.precision import resolve_precision
from cu.store.runs import RunFolder

NAMED = ("dataset", "model", "recipe", "scenario", "method")


@dataclass(frozen=True)
class Plan:
    """One job.

    Attributes:
        config: The resolved config as plain containers.
        names: The chosen option of each group in `NAMED`.
        original: Identity of the original model.
        identity: Identity of the outcome.
        folder: Where the record goes.
    """

    config: Mapping[str, Any]
    names: Mapping[str, str]
    original: Mapping[str, Any]
    identity: Mapping[str, Any]
    folder: RunFolder

    @property
    def fingerprint(self) -> str:
        """The outcome's fingerprint."""
        return fingerprint(self.identity)

    @property
    def outputs(self) -> Path:
        """Where everything is written."""
        return Path(self.config["paths"]["outputs"])

    @property
    def judged_by(self) -> str:
        """Fingerprint of how the outcome is evaluated."""
        return fingerprint([self.config["evaluation"], self.config["reference"]])

    def finished(self) -> Mapping[str, Any] | None:
        """The result, if the run is finished and was evaluated as asked for now."""
        result = self.folder.result()
        return result if result is not None and result.get("judged_by") == self.judged_by else None


def plan_unlearning(config: Mapping[str, Any], names: Mapping[str, str]) -> Plan:
    """The plan of an unlearning run."""
    original = original_identity(config, precision_of(config))
    identity = run_identity(config, original)
    parts = [safe(names[group]) for group in ("dataset", "model", "scenario", "method")]
    path = Path(config["paths"]["outputs"], "runs", *parts, fingerprint(identity))
    return Plan(config, names, original, identity, RunFolder(path))


def plan_training(config: Mapping[str, Any], names: Mapping[str, str]) -> Plan:
    """The plan of training an original model."""
    original = original_identity(config, precision_of(config))
    parts = [safe(names[group]) for group in ("dataset", "model")]
    path = Path(config["paths"]["outputs"], "trained", *parts, fingerprint(original))
    return Plan(config, names, original, original, RunFolder(path))


def precision_of(config: Mapping[str, Any]) -> str:
    """The precision models are trained in on this machine."""
    return resolve_precision(config["hardware"]["precision"], config["hardware"]["device"])


def safe(name: str) -> str:
    """A group option as one folder name."""
    return name.replace("/", "-")
