from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from cu.reporting.collect import collect
from cu.reporting.render.texts import note_text, row_texts
from cu.reporting.tables.build import build_tables
from cu.reporting.tables.types import TableData
from cu.reporting.types import Report
from cu.reporting.write import judged
from cu.store.result import RunResult

CONFIG = {
    "dataset": {"_target_": "cu.data.datasets.digits.Digits", "train_size": None, "download": False},
    "model": {"_target_": "cu.models.resnet.ResNet", "width": 16},
    "recipe": {"_target_": "cu.engine.recipe.Recipe", "epochs": 10, "optimizer": {"lr": 0.1}},
    "scenario": {"_target_": "cu.data.scenarios.classes.ClassScenario", "classes": [5]},
    "method": {"_target_": "cu.methods.contrastive.Contrastive", "temperature": 0.7, "lr": 0.01},
    "evaluation": {"name": "default"},
    "reference": {"k": 2},
    "hardware": {"device": "cpu", "precision": "fp32", "num_threads": 1},
    "tracking": {"mode": "offline"},
    "paths": {"outputs": "outputs", "data": "data"},
    "resume": "skip",
    "revision": 1,
}


def metric(value: float | None, ref: float | None = None, **changes: Any) -> dict[str, Any]:
    gap = None if value is None or ref is None else value - ref
    entry = {"value": value, "ref": ref, "ref_std": None, "gap": gap, "floor": None, "z": None, "rank_p": None}
    return {**entry, "original": None, "direction": "match_retrained", "status": "ok", "version": 1, **changes}


def content_of(metrics: dict[str, Any], seed: int = 0, **changes: Any) -> dict[str, Any]:
    content = {
        "schema": 2,
        "fingerprint": "0123456789abcdef",
        "evaluation_id": "0",
        "names": {
            "dataset": "digits",
            "model": "slim",
            "recipe": "short",
            "scenario": "class",
            "method": "contrastive",
        },
        "scenario": "class",
        "forget_classes": [5],
        "class_names": [],
        "models": {"original": "o", "retrained": ["a", "b"]},
        "cost": {},
        "seeds": {"seed": seed, "forget_seed": seed, "method_seed": seed},
        "references": 2,
        "split_sizes": {"retain": 1165, "forget": 129, "val": 144, "test": 359, "test_forget": 37},
        "provenance": {"versions": {"torch": "2.5.0"}, "commit": "a" * 40, "dirty": False, "machine": {}},
        "timings": {"unlearn_seconds": 1.5},
        "evaluation": "default",
        "metrics": metrics,
    }
    return {**content, **changes}


class RunFolders:
    """Writes fake run folders below `outputs`, the way a run leaves them behind."""

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self.count = 0

    def add(
        self,
        metrics: dict[str, Any] | None = None,
        *,
        method: str = "contrastive",
        seed: int = 0,
        dataset: str = "digits",
        model: str = "slim",
        scenario: str = "class",
        state: str = "finished",
        error: str | None = None,
        config: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Path:
        self.count += 1
        fingerprint = f"{self.count:012x}"
        folder = self.outputs / "runs" / dataset / model / scenario / method / fingerprint
        folder.mkdir(parents=True)
        status = {"state": state, "error": error, "pid": 7, "host": "node", "attempt": 1}
        folder.joinpath("status.json").write_text(json.dumps(status))
        seeds = {"seed": seed, "forget_seed": seed, "method_seed": seed}
        folder.joinpath("config.yaml").write_text(
            yaml.safe_dump(resolved({**seeds, **(config or {})}), sort_keys=False)
        )
        if state == "finished":
            names = {"dataset": dataset, "model": model, "recipe": "short", "scenario": scenario, "method": method}
            content = content_of(metrics or {}, seed, names=names, fingerprint=fingerprint, **changes)
            if scenario != "class":
                content.update(scenario="sample", forget_classes=[])
            folder.joinpath("result.json").write_text(json.dumps(content))
        return folder


def resolved(changes: dict[str, Any]) -> dict[str, Any]:
    """The default config with dotted keys changed."""
    config = copy.deepcopy(CONFIG)
    for dotted, value in changes.items():
        *sections, last = dotted.split(".")
        place: dict[str, Any] = config
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return config


@pytest.fixture
def run_folders(tmp_path: Path) -> RunFolders:
    return RunFolders(tmp_path / "outputs")


@pytest.fixture
def make_metric() -> Callable[..., dict[str, Any]]:
    return metric


@pytest.fixture
def make_result() -> Callable[..., RunResult]:
    def make(metrics: dict[str, Any], seed: int = 0, **changes: Any) -> RunResult:
        return TypeAdapter(RunResult).validate_json(json.dumps(content_of(metrics, seed, **changes)))

    return make


@pytest.fixture
def tables(run_folders: RunFolders, make_report: Callable[..., Report]) -> Callable[..., list[TableData]]:
    """The tables of a report with these columns and settings."""

    def build(chosen: list[Any], **changes: Any) -> list[TableData]:
        report = make_report(chosen, **changes)
        collection = collect(run_folders.outputs)
        return build_tables(collection, judged(collection, report), report)

    return build


@pytest.fixture
def cells() -> Callable[[TableData], dict[str, tuple[str, ...]]]:
    """What a table says in its cells, by the label of the row."""

    def read(table: TableData) -> dict[str, tuple[str, ...]]:
        texts = [row_texts(row, table) for row in table.rows]
        return {label: tuple(middle) for label, *middle, _ in texts}

    return read


@pytest.fixture
def notes() -> Callable[[TableData], list[str]]:
    return lambda table: [note_text(note) for note in table.notes]


@pytest.fixture
def make_report() -> Callable[..., Report]:
    def make(chosen: list[Any], **changes: Any) -> Report:
        everything: dict[str, Any] = dict.fromkeys(("datasets", "models", "scenarios", "methods", "seeds"))
        extras: dict[str, Any] = {"where": {}, "together": None, "published": None, "note": None}
        settings = {
            "name": "test",
            **everything,
            **extras,
            "margins": {"percent": 0.01, "fraction": 0.02},
            "columns": {"class": chosen, "sample": chosen},
            "figures": None,
            **changes,
        }
        return Report(**settings)

    return make
