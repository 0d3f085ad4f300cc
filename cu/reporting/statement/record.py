"""What a finished run left on disk, as far as a statement tells of it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cu.config.parse import parse
from cu.config.schema import RunConfig
from cu.disk.digest import sha256
from cu.disk.files import Damaged, read_mapping
from cu.errors import ConfigError, first_line
from cu.store.forget_ids import NAME
from cu.store.handed_back import read_handed_back
from cu.store.intact import require_intact
from cu.store.result import RunResult, read_run_result
from cu.store.runs import outputs_of


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished run.

    Attributes:
        folder: Of the run.
        result: Its numbers.
        config: What it was told, as plain containers.
        status: When it began and ended.
        original: The record beside the original model; empty if it is gone.
        unlearned: The record beside the unlearned weights; empty if they were not kept.
        handed_back: The record of the file in the user's own format; empty if there is none.
        forgotten: `id`, and `file` and its `sha256` where they are known, of each forgotten sample.
        forgotten_sha256: Of the list of them.
    """

    folder: Path
    result: RunResult
    config: Mapping[str, Any]
    status: Mapping[str, Any]
    original: Mapping[str, Any]
    unlearned: Mapping[str, Any]
    handed_back: Mapping[str, Any]
    forgotten: list[Mapping[str, str]]
    forgotten_sha256: str


def read_record(path: Path) -> Record:
    """The record of a run.

    Args:
        path: Its folder, or a file in it.

    Raises:
        ConfigError: There is no finished run, or something of it cannot be read.
    """
    folder = path.parent if path.is_file() else path
    try:
        result, status = read_run_result(folder), read_mapping(folder / "status.json") or {}
        if result is None:
            raise ConfigError(f"{path} is no folder of a run: it has no result.json; runs are below outputs/runs")
        require_intact(folder, result.lists)
        if status.get("state") != "finished":
            raise ConfigError(f"{folder} is {status.get('state', 'not finished')}; type its command again to go on")
        listed = folder / NAME
        with listed.open(encoding="utf-8", errors="backslashreplace", newline="") as lines:
            forgotten: list[Mapping[str, str]] = [dict(row) for row in csv.DictReader(lines)]
        return Record(
            folder=folder,
            result=result,
            config=_config(folder / "config.yaml"),
            status=status,
            original=_original(folder, result.models.original),
            unlearned=read_mapping(folder / "model.json") or {},
            handed_back=read_handed_back(folder) or {},
            forgotten=forgotten,
            forgotten_sha256=sha256(listed),
        )
    except Damaged as error:
        raise ConfigError(f"{error}; type the run's command again") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{folder} cannot be read as a run ({first_line(error)})") from error


def _config(path: Path) -> Mapping[str, Any]:
    """What the run was told, whole."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        parse(RunConfig, config if isinstance(config, Mapping) else {})
    except ConfigError as error:
        raise Damaged(f"{path} is damaged ({error})") from error
    return config


def _original(folder: Path, model: str) -> Mapping[str, Any]:
    """The record beside the original model; empty where a run was copied away from it."""
    outputs = outputs_of(folder)
    return {} if outputs is None else read_mapping(outputs / "models" / model / "model.json") or {}
