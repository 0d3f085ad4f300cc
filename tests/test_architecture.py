import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import cu

# Imports only point to the left.
LAYERS = (
    *("config", "randomness", "precision", "fingerprint", "validation", "objective"),
    *("data", "models", "losses", "metrics", "engine", "methods"),
    *("evaluation", "tracking", "store", "plan", "reporting"),
    *("assembly", "bench", "audits", "judging"),
    *(
        "experiment",
        "reevaluation",
        "publishing",
        "sweep",
        "preemption",
        "job",
        "complaints",
        "help",
        "multirun",
        "cli",
        "__main__",
    ),
)
PACKAGE = Path(cu.__file__).parent


@cache
def modules(package):
    """Source files by dotted name."""
    names = {path: path.relative_to(package.parent).with_suffix("").parts for path in package.rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in names.items()}


@cache
def imports(package, name):
    """Dotted names of all a module imports, also inside functions; modules of `cu` where it can tell."""
    known, found = modules(package), set()
    for node in ast.walk(ast.parse(known[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & known.keys()) | ({node.module} if inner - known.keys() else set())
    return found - {"cu"}


def layer(name):
    return LAYERS.index(name.split(".")[1])


def upward(package=PACKAGE):
    """Imports that point to a later layer, or to another module of the same single-file layer."""
    return [
        f"{name} imports {other}"
        for name in modules(package)
        if name != "cu"
        for other in imports(package, name)
        if other.startswith("cu.") and layer(other) > layer(name)
    ]


def users(package, library):
    """Modules that import a library."""
    return {name for name in modules(package) if library in {other.split(".")[0] for other in imports(package, name)}}


def test_every_module_has_a_layer():
    assert {name.split(".")[1] for name in modules(PACKAGE) if name != "cu"} <= set(LAYERS)


def test_imports_only_point_down():
    assert upward() == []


def test_imports_have_no_cycle():
    graph = {name: imports(PACKAGE, name) & modules(PACKAGE).keys() for name in modules(PACKAGE)}
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)


def test_only_the_top_knows_hydra():
    assert users(PACKAGE, "hydra") <= {"cu.assembly", "cu.cli", "cu.complaints", "cu.multirun"}


def test_only_tracking_knows_wandb():
    assert users(PACKAGE, "wandb") == {"cu.tracking.mirror", "cu.tracking.mode"}


def test_metrics_know_neither_torch_nor_the_rest_of_cu():
    metrics = {name for name in modules(PACKAGE) if name.startswith("cu.metrics")}
    assert not metrics & users(PACKAGE, "torch")
    inner = {other for name in metrics for other in imports(PACKAGE, name) if other.startswith("cu.")}
    assert {other.split(".")[1] for other in inner} <= {"config", "metrics"}


def test_reports_do_without_torch():
    assert not {name for name in users(PACKAGE, "torch") if name.startswith("cu.reporting")}


def test_methods_learn_no_data_sets_name():
    sets = {"cifar", "svhn", "fashion_mnist", "digits", "folder", "scenarios", "splits"}
    for name in modules(PACKAGE):
        if name.startswith("cu.methods"):
            assert not {other.split(".")[2] for other in imports(PACKAGE, name) if other.startswith("cu.data.")} & sets


@pytest.mark.parametrize(
    ("statement", "caught"),
    [
        ("from cu.engine import fit", True),
        ("import cu.store.files", True),
        ("def f():\n    from cu.cli import command", True),
        ("from cu.config import ConfigError", False),
        ("from cu.metrics.b import x", False),
    ],
)
def test_a_violation_would_be_caught(tmp_path, statement, caught):
    package = tmp_path / "cu"
    for name in ("metrics/a", "metrics/b", "engine/fit", "engine/__init__", "store/files", "cli", "config", "__init__"):
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import hydra" if name == "config" else "", encoding="utf-8")
    (package / "metrics/a.py").write_text(statement, encoding="utf-8")
    assert bool(upward(package)) == caught
    assert users(package, "hydra") == {"cu.config"}


def imported(*names):
    """Which heavy libraries a fresh interpreter has loaded after importing some modules of `cu`."""
    code = f"import {', '.join(names)}, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return {"torch", "torchvision", "sklearn", "pandas", "matplotlib", "wandb", "pydantic"} & set(run.stdout.split())


def test_the_command_line_starts_light():
    light = (
        *("cli", "complaints", "config", "fingerprint", "help", "multirun", "objective", "plan", "precision"),
        *("randomness", "validation", "tracking.mirror", "tracking.types", "tracking.flat"),
    )
    assert imported(*(f"cu.{name}" for name in light)) == set()


def test_hydra_finds_the_launcher_without_loading_anything_heavy():
    assert imported("hydra_plugins.cu_pool.launcher") == set()


def test_metrics_load_without_torch():
    metrics = [name for name in modules(PACKAGE) if name.startswith("cu.metrics")]
    assert not imported(*metrics) & {"torch", "torchvision", "wandb"}
