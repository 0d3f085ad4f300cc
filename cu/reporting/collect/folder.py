"""One run folder as a record; whatever is wrong with it becomes the record's reason, never an error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from cu.disk.files import Damaged
from cu.errors import first_line
from cu.reporting.collect.labels import SHARED_SETTINGS, Flat, flatten
from cu.store.result import RunResult, Seeds, read_run_result
from cu.store.runs import corrected

STATES = ("finished", "failed", "diverged", "preempted", "running", "unreadable")
DEPTH = 5  # data set / model / scenario / method / fingerprint
_FILES = ("status.json", "config.yaml", "result.json")
_LARGEST_SEED = 2**63
# libyaml where PyYAML was built with it: ten times faster, same result.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A run folder as it is found.

    Attributes:
        path: The folder; its last parts are data set, model, scenario, method and fingerprint.
        state: That of `status.json`, or `unreadable`.
        reason: Why there is no result; None for a finished run.
        seeds: None if they cannot be read.
        settings: The flattened config; None if it cannot be read.
        result: Of a finished run.
    """

    path: Path
    state: str
    reason: str | None
    seeds: Seeds | None
    settings: Flat | None
    result: RunResult | None


def run_folders(root: Path) -> Iterator[Path]:
    """The run folders below `outputs/runs`, sorted; a folder that cannot be looked into counts as one."""
    for folder in sorted(_below(root, DEPTH)):
        try:
            names = set(os.listdir(folder))
        except OSError:
            names = set(_FILES)
        if names & set(_FILES) and not is_mistake(folder):
            yield folder


def is_mistake(folder: Path) -> bool:
    """Whether a run ended because a setting cannot be used, before there was anything to report."""
    return bool(_load(folder / "status.json", json.loads)[0].get("mistake"))


def _below(folder: Path, depth: int) -> Iterator[Path]:
    if depth == 0:
        yield folder
        return
    try:
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    except FileNotFoundError:
        return
    except OSError:
        # Which runs are inside cannot be known: one hole stands for them all.
        yield folder.joinpath(*["unreadable"] * depth)
        return
    for inner in found:
        yield from _below(inner, depth - 1)


def read_folder(folder: Path) -> RunFolder:
    """A run folder, whatever is in it."""
    found, status_problem = _load(folder / "status.json", json.loads)
    status = corrected(found)
    config, config_problem = _load(folder / "config.yaml", _parse_config)
    state, result, result_problem = status.get("state"), None, None
    if status_problem is None and state not in STATES[:-1]:
        status_problem = f"status.json has the unknown state {state!r}"
    if state == "finished":
        result, result_problem = _result(folder)
    seeds, seeds_problem = _seeds(config) if config_problem is None else (result.seeds if result else None, None)
    problems = [p for p in (status_problem, config_problem, result_problem, seeds_problem) if p]
    reasons = [str(status["error"])] if status.get("error") else []
    if state == "running" and not problems:
        reasons = [f"still running, or killed (pid {status.get('pid')} on {status.get('host')})"]
    if status_problem or seeds_problem or (state == "finished" and problems):
        state = "unreadable"
    return RunFolder(
        path=folder,
        state=str(state),
        reason="; ".join([*reasons, *problems]) or None,
        seeds=seeds if seeds_problem is None else None,
        settings=flatten(config) if config_problem is None else None,
        result=result if state == "finished" else None,
    )


def _load(path: Path, parse: Callable[[str], Any]) -> tuple[Mapping[str, Any], str | None]:
    """A file's content, or nothing and one line about why."""
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, f"{path.name} is missing"
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        return {}, f"{path.name} is unreadable ({type(error).__name__}: {first_line(error)})"
    if not isinstance(content, dict):
        return {}, f"{path.name} is unreadable (empty, or not a mapping)"
    return content, None


def _parse_config(text: str) -> Any:
    config = yaml.load(text, _Loader)
    # A file cut off between two lines is still YAML.
    absent = [key for key in (*SHARED_SETTINGS, "method", "seed") if key not in (config or {})]
    if absent:
        raise ValueError(f"no {', '.join(absent)} in it")
    return config


def _result(folder: Path) -> tuple[RunResult | None, str | None]:
    try:
        result = read_run_result(folder)
    except (Damaged, OSError, ValueError, RecursionError) as error:
        return None, first_line(error).replace(f"{folder}{os.sep}", "")
    if result is None:
        return None, "result.json is missing"
    return result, _bad_seed(result.seeds)


def _seeds(config: Mapping[str, Any]) -> tuple[Seeds | None, str | None]:
    """The seeds of a config; those that are not set follow `seed`."""
    names = [field.name for field in fields(Seeds)]
    values = {name: config.get(name) if config.get(name) is not None else config.get("seed") for name in names}
    whole = {name: value for name, value in values.items() if isinstance(value, int)}
    if len(whole) < len(values):
        return None, f"config.yaml has the seeds {list(values.values())}"
    seeds = Seeds(**whole)
    return seeds, _bad_seed(seeds)


def _bad_seed(seeds: Seeds) -> str | None:
    """One line on a seed that does not fit 64 bits."""
    large = [name for name in ("seed", "forget_seed", "method_seed") if abs(getattr(seeds, name)) >= _LARGEST_SEED]
    return f"{', '.join(large)} beyond 64 bits" if large else None
