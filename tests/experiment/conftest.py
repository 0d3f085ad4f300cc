"""A workspace on the toy world, and scenes on it."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from cu.config.component import Component
from cu.disk.files import read_json
from cu.experiment.audits.context import AuditContext
from cu.experiment.workspace import Workspace
from cu.methods.finetune import FineTune
from cu.methods.original import Original
from cu.methods.retrain import Retrain
from cu.store.models import ModelStore
from cu.store.runs import RunFolder

KEPT = (".safetensors", ".npz", ".json")  # what costs time to make


@pytest.fixture(scope="session")
def audit_store(tmp_path_factory):
    """One store for all audits: what one test trains another may use, as runs do."""
    return ModelStore(tmp_path_factory.mktemp("models"))


@pytest.fixture
def make_bench(toy_data, hardware, make_model, make_recipe, audit_store, tmp_path):
    """`(store=shared, seed=0, method="finetune", **config) -> Workspace` whose models are tiny."""

    class ToyWorkspace(Workspace):
        def blank(self):
            return make_model()

    def make(store=audit_store, seed=0, method="finetune", **config):
        settings = SimpleNamespace(
            **{"seed": seed, "forget_seed": 0, "method_seed": 0, "checkpoint": None, "save_every": 60.0, **config},
            model=Component({"_target_": "Toy"}),
            method=Component({"_target_": f"Toy{method}"}),
            hardware=Component({"_target_": "Hardware", "scoring_precision": "fp32"}),
        )
        identity = {"kind": "original", "seed": seed, "precision": "fp32", "dataset": {}, "model": {}, "revision": 1}
        recipe = make_recipe(schedule="one_cycle", epochs=3, lr=0.2, batch_size=16)
        return ToyWorkspace(settings, identity, toy_data, hardware, recipe, store)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_scene(make_bench, make_recipe, toy_tasks, tmp_path):
    """`(scenario="sample", method="finetune", references=1, outcome=None, **workspace) -> AuditContext`."""
    methods = {"finetune": FineTune(recipe=make_recipe(epochs=1)), "retrain": Retrain(), "original": Original()}

    def make(scenario="sample", method="finetune", references=1, outcome=None, **settings):
        workspace, task = make_bench(method=method, **settings), toy_tasks[scenario]
        plan = SimpleNamespace(
            config=workspace.config,
            names={"method": method},
            folder=RunFolder(tmp_path / "run"),
            forgotten={"scenario": scenario},
        )
        retrained = tuple(workspace.reference(task.retain, k) for k in range(references))
        return AuditContext(workspace, plan, task, methods[method], workspace.original(), retrained, outcome)

    return make


@pytest.fixture
def unchanged():
    """A context in which no file below a folder is written anew or goes away; new ones may come, of `kind` only."""

    @contextmanager
    def watch(folder, kind=None):
        def written():
            return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix in KEPT}

        before = written()
        yield
        after = written()
        assert before.items() <= after.items()
        for path in after.keys() - before.keys():
            if path.name == "model.json":
                assert read_json(path)["identity"]["kind"] == kind

    return watch


@pytest.fixture
def kinds():
    """How many models of each kind a store holds."""

    def count(store):
        found = [read_json(path)["identity"]["kind"] for path in store.root.glob("*/model.json")]
        return {kind: found.count(kind) for kind in sorted(set(found))}

    return count
