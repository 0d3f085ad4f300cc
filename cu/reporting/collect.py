"""Run folders as two tidy tables: one row per run, and one row per run and metric."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from cu.reporting.labels import SHARED_SETTINGS, flatten, method_labels, shared_labels
from cu.reporting.matching import agrees

STATES = ("finished", "failed", "diverged", "preempted", "running", "unreadable")
SEEDS = ["seed", "forget_seed", "method_seed"]
TABLE = ["dataset", "model", "scenario", "data_setting"]
CELL = [*TABLE, "method", "setting"]
# The yardsticks of a table: shown first; they never compete with the methods.
YARDSTICKS = ("retrain", "original")
# Methods that do not try to unlearn: they may tie with others, but a table never marks them as the closest.
NULL_BASELINES = ("head_only", "logit_mask", "untrained", "statistics_only")
NUMBERS = ["value", "ref", "ref_std", "gap", "floor", "z", "original"]
_RUN = [*CELL, "recipe", "kind", *SEEDS, "state", "error", "duplicate", "fingerprint", "commit", "torch", "path"]
_VALUE = [*CELL, "recipe", *SEEDS, "key", *NUMBERS, "direction", "status", "version", "fingerprint", "commit"]
# libyaml where PyYAML was built with it: ten times faster, same result.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Collection:
    """Everything below `outputs/runs`.

    Attributes:
        values: One row per finished run and metric.
        runs: One row per run folder. `state` is that of `status.json`, or `unreadable`; `data_setting` and `setting`
            name the settings in which runs differ (of the data, of the method); `duplicate` marks runs that no
            setting tells apart from another one with the same seeds.
    """

    values: pd.DataFrame
    runs: pd.DataFrame


def collect(outputs: Path, where: Mapping[str, Any] | None = None) -> Collection:
    """Read every run folder; one that is broken or unfinished becomes a row of `runs` that says why.

    Runs that do not have the settings `where` are left out, unless theirs cannot be read.
    """
    marks = ("status.json", "config.yaml", "result.json")
    found = (f for f in outputs.glob("runs/*/*/*/*/*") if not f.name.startswith("."))
    folders = sorted(f for f in found if any((f / mark).exists() for mark in marks))
    records = [_read_run(folder) for folder in folders]
    records = [record for record in records if record["flat"] is None or agrees(record["flat"], where or {})]
    runs = _label(pd.DataFrame(records, columns=[*_RUN, "flat", "metrics"]))
    for name in SEEDS:
        runs[name] = runs[name].astype("Int64")
    return Collection(values=_values(runs), runs=runs.loc[:, _RUN].reset_index(drop=True))


def _read_run(folder: Path) -> dict[str, Any]:
    dataset, model, scenario, method, fingerprint = folder.parts[-5:]
    status, status_problem = _load(folder / "status.json", json.loads)
    config, config_problem = _load(folder / "config.yaml", _parse_config)
    state, result, result_problem = status.get("state"), {}, None
    if status_problem is None and state not in STATES[:-1]:
        status_problem = f"status.json has the unknown state {state!r}"
    if state == "finished":
        result, result_problem = _load(folder / "result.json", _parse_result)
    problems = [problem for problem in (status_problem, config_problem, result_problem) if problem]
    reasons = [str(status["error"])] if status.get("error") else []
    if state == "running" and not problems:
        reasons = [f"still running, or killed (pid {status.get('pid')} on {status.get('host')})"]
    if status_problem or (state == "finished" and problems):
        state = "unreadable"
    seeds = config if config_problem is None else result.get("seeds", {})
    return {
        **{"dataset": dataset, "model": model, "scenario": scenario, "method": method, "fingerprint": fingerprint},
        **{name: seeds.get(name) if seeds.get(name) is not None else seeds.get("seed") for name in SEEDS},
        "recipe": result.get("names", {}).get("recipe"),
        "kind": result.get("scenario"),
        "state": state,
        "error": "; ".join([*reasons, *problems]) or None,
        "commit": _commit(result.get("provenance") or {}),
        "torch": ((result.get("provenance") or {}).get("versions") or {}).get("torch"),
        "path": str(folder),
        "flat": flatten(config) if config_problem is None else None,
        "metrics": result.get("metrics", {}) if state == "finished" else {},
    }


def _load(path: Path, parse: Callable[[str], Any]) -> tuple[dict[str, Any], str | None]:
    """A file's content, or nothing and one line about why."""
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, f"{path.name} is missing"
    except (OSError, ValueError, yaml.YAMLError) as error:
        return {}, f"{path.name} is unreadable ({type(error).__name__}: {str(error).splitlines()[0]})"
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


def _parse_result(text: str) -> Any:
    result = json.loads(text)
    if not isinstance(result, dict) or not all(isinstance(result.get(k), dict) for k in ("names", "seeds", "metrics")):
        raise ValueError("no names, seeds or metrics in it")
    if result.get("schema") != 2:
        raise ValueError(f"schema {result.get('schema')!r}, this version reads 2")
    return result


def _commit(git: dict[str, Any]) -> str | None:
    commit = git.get("commit")
    return f"{commit}+dirty" if commit and git.get("dirty") else commit


def _label(runs: pd.DataFrame) -> pd.DataFrame:
    known = runs["flat"].notna()
    runs["data_setting"], runs["setting"] = None, None
    for _, group in runs.loc[known].groupby(["dataset", "model", "scenario"]):
        runs.loc[group.index, "data_setting"] = shared_labels(list(group["flat"]))
    for _, group in runs.loc[known].groupby(["dataset", "model", "scenario", "method"]):
        runs.loc[group.index, "setting"] = method_labels(list(group["flat"]))
    # A run without a readable config belongs where its kind has only one place, else nowhere we know.
    for index, run in runs[~known].iterrows():
        peers = runs[
            known & (runs[["dataset", "model", "scenario"]] == run[["dataset", "model", "scenario"]]).all(axis=1)
        ]
        runs.loc[index, "data_setting"] = _only(peers.loc[:, "data_setting"])
        runs.loc[index, "setting"] = _only(peers.loc[peers["method"] == run["method"], "setting"])
    runs["duplicate"] = known & runs.duplicated([*CELL, *SEEDS], keep=False)
    for index, run in runs[runs["duplicate"]].iterrows():
        parts = [run["setting"], f"fingerprint={run['fingerprint']}"]
        runs.loc[index, "setting"] = ", ".join(part for part in parts if part)
    return runs


def _only(labels: pd.Series) -> str:
    found = list(labels.unique())
    return "" if not found else found[0] if len(found) == 1 else "settings unknown"


def _values(runs: pd.DataFrame) -> pd.DataFrame:
    shared = [*CELL, "recipe", *SEEDS, "fingerprint", "commit"]
    rows = []
    for run in runs.to_dict("records"):
        own = {name: run[name] for name in shared}
        rows += [{**own, "key": key, **entry} for key, entry in run["metrics"].items()]
    values = pd.DataFrame(rows).reindex(columns=_VALUE)
    values[NUMBERS] = values[NUMBERS].astype(float)
    values[SEEDS] = values[SEEDS].astype("Int64")
    ok = values["status"] == "ok"
    values.loc[ok & values["value"].isna(), "status"] = "undefined"
    values.loc[~ok, "value"] = float("nan")
    values["gap"] = values["gap"].fillna(values["value"] - values["ref"]).where(values["value"].notna())
    return values
