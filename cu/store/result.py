"""What a finished job leaves behind as `result.json`: written, read and checked here and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from cu.disk.files import Damaged, read_json, write_json
from cu.evaluation.comparison import Comparison
from cu.store.intact import hashes_of

SCHEMA = 2
FILE = "result.json"


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """The seeds of a run: of training, of who is forgotten, and of the method."""

    seed: int
    forget_seed: int
    method_seed: int


@dataclass(frozen=True, kw_only=True)
class Models:
    """Fingerprints of the models that a run was compared with."""

    original: str
    retrained: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What stands behind a number.

    Attributes:
        versions: Installed versions by package.
        commit: Of the checkout; None for an installed wheel.
        dirty: Whether the checkout had changes.
        machine: Device, precision, threads and the like.
    """

    versions: Mapping[str, str]
    commit: str | None
    dirty: bool | None
    machine: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What `cu-train` found.

    Attributes:
        fingerprint: Of the model.
        names: The chosen option of each group.
        model: The file of its weights.
        accuracies: Fractions in [0, 1] by split: `train_acc`, `val_acc`, `test_acc`.
        cost: What training took; None for the user's own weights.
        provenance: Versions, commit and machine.
        schema: Of this file.
    """

    fingerprint: str
    names: Mapping[str, str]
    model: str
    accuracies: Mapping[str, float]
    cost: Mapping[str, float] | None
    provenance: Provenance
    schema: int = SCHEMA


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What an unlearning run found.

    Attributes:
        fingerprint: Of the run.
        evaluation_id: Of how it was evaluated.
        names: The chosen option of each group.
        scenario: Whether whole classes or samples were forgotten.
        forget_classes: The forgotten classes; empty in sample scenarios.
        class_names: By index.
        seeds: Of training, of who is forgotten, of the method.
        references: Number of retrained models.
        models: The original and the retrained models.
        split_sizes: Samples by split.
        timings: Seconds by part of the job.
        cost: What unlearning took: seconds, samples, steps, memory.
        evaluation: Name of the suite.
        metrics: By key.
        provenance: Versions, commit and machine.
        doubts: Why original or references may not be what they were taken for.
        lists: Hashes of the lists beside the result, by file name; see `cu.store.intact`.
        schema: Of this file.
    """

    fingerprint: str
    evaluation_id: str
    names: Mapping[str, str]
    scenario: Literal["class", "sample"]
    forget_classes: tuple[int, ...]
    class_names: tuple[str, ...]
    seeds: Seeds
    references: int
    models: Models
    split_sizes: Mapping[str, int]
    timings: Mapping[str, float]
    cost: Mapping[str, float]
    evaluation: str
    metrics: Mapping[str, Comparison]
    provenance: Provenance
    doubts: tuple[str, ...] = ()
    lists: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


R = TypeVar("R", RunResult, TrainResult)


def write_result(folder: Path, result: RunResult | TrainResult) -> None:
    """Write `result.json`, whole or not at all; that of a run has the hashes of the lists beside it."""
    if isinstance(result, RunResult):
        result = replace(result, lists=hashes_of(folder))
    write_json(folder / FILE, asdict(result))


def read_run_result(folder: Path) -> RunResult | None:
    """The result of an unlearning run; None if there is none.

    Raises:
        Damaged: The file is no such result, or one of another schema.
    """
    return _read(folder / FILE, RunResult)


def read_train_result(folder: Path) -> TrainResult | None:
    """The result of a training; None if there is none.

    Raises:
        Damaged: The file is no such result, or one of another schema.
    """
    return _read(folder / FILE, TrainResult)


def _read(path: Path, kind: type[R]) -> R | None:
    from pydantic import ValidationError

    content = read_json(path)
    if content is None:
        return None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise Damaged(f"{path} has schema {schema!r}, this version of cu reads {SCHEMA}: the run has to be done again")
    try:
        return _adapter(kind).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Damaged(f"{path} is damaged ({where}: {first['msg']})") from error


@lru_cache(maxsize=2)
def _adapter(kind: type[R]) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
