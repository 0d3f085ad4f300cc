import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import cu

PACKAGE = Path(cu.__file__).parent
LIMITS = {"lines of a module": 200, "lines of a function": 40, "loose modules": 5}


def floors(text=cu.__doc__):
    """The rooms from the ground up, as the docstring of the package tells them to a newcomer."""
    lines = [re.split(r"\s{2,}", line.strip())[0] for line in text.splitlines() if re.match(r"    \w", line)]
    return [tuple(name.strip() for name in line.split(",")) for line in lines]


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


def upward(package=PACKAGE):
    """Imports that point to a room of a floor above, or to another room of the same floor."""
    height = {room: number for number, rooms in enumerate(floors()) for room in rooms}

    def room(name):
        return name.split(".")[1]

    return [
        f"{name} imports {other}"
        for name in modules(package)
        if name != "cu"
        for other in imports(package, name)
        if other.startswith("cu.") and room(other) != room(name) and height[room(other)] >= height[room(name)]
    ]


def users(package, library):
    """Modules that import a library."""
    return {name for name in modules(package) if library in {other.split(".")[0] for other in imports(package, name)}}


def test_every_room_has_a_floor_and_no_floor_is_empty():
    named = [room for rooms in floors() for room in rooms]
    assert sorted(named) == sorted({name.split(".")[1] for name in modules(PACKAGE) if name != "cu"})


def test_imports_only_point_down():
    assert upward() == []


def test_imports_have_no_cycle():
    graph = {name: imports(PACKAGE, name) & modules(PACKAGE).keys() for name in modules(PACKAGE)}
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)


def test_the_top_of_the_package_is_nearly_empty():
    loose = [path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    assert len(loose) <= LIMITS["loose modules"]


def functions():
    for name, path in modules(PACKAGE).items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
                yield f"{name}.{node.name}", (node.end_lineno or 0) - first.lineno + 1


def test_files_and_functions_stay_short():
    long_files = {n: p.read_text(encoding="utf-8").count("\n") for n, p in modules(PACKAGE).items()}
    assert {n: size for n, size in long_files.items() if size > LIMITS["lines of a module"]} == {}
    assert {n: size for n, size in functions() if size > LIMITS["lines of a function"]} == {}


def test_only_the_top_knows_hydra():
    assert {name.split(".")[1] for name in users(PACKAGE, "hydra") - {"cu.config.build"}} <= {"cli"}


def test_only_tracking_knows_wandb():
    assert {name.split(".")[1] for name in users(PACKAGE, "wandb")} == {"tracking"}


def test_metrics_know_neither_torch_nor_the_rest_of_cu():
    metrics = {name for name in modules(PACKAGE) if name.startswith("cu.metrics")}
    assert not metrics & users(PACKAGE, "torch")
    inner = {other for name in metrics for other in imports(PACKAGE, name) if other.startswith("cu.")}
    assert {other.split(".")[1] for other in inner} <= {"errors", "seeds", "metrics"}


def test_reports_do_without_torch():
    assert not {name for name in users(PACKAGE, "torch") if name.startswith("cu.reporting")}


def test_methods_learn_no_data_sets_name():
    for name in modules(PACKAGE):
        if name.startswith("cu.methods"):
            inner = {other for other in imports(PACKAGE, name) if other.startswith("cu.data.")}
            assert not {other.split(".")[2] for other in inner} & {"datasets", "scenarios", "splits"}


@pytest.mark.parametrize(
    ("statement", "caught"),
    [
        ("from cu.engine import fit", True),
        ("import cu.store.plan", True),
        ("def f():\n    from cu.cli.commands import command", True),
        ("from cu.errors import ConfigError", False),
        ("from cu.metrics.b import x", False),
    ],
)
def test_a_violation_would_be_caught(tmp_path, statement, caught):
    package = tmp_path / "cu"
    for name in ("metrics/a", "metrics/b", "engine/fit", "engine/__init__", "store/plan", "cli", "errors", "__init__"):
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import hydra" if name == "errors" else "", encoding="utf-8")
    (package / "metrics/a.py").write_text(statement, encoding="utf-8")
    assert bool(upward(package)) == caught
    assert users(package, "hydra") == {"cu.errors"}


def imported(*names):
    """Which heavy libraries a fresh interpreter has loaded after importing some modules of `cu`."""
    code = f"import {', '.join(names)}, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return {"torch", "torchvision", "sklearn", "pandas", "matplotlib", "wandb", "pydantic"} & set(run.stdout.split())


@pytest.mark.slow
def test_the_command_line_starts_light():
    light = [name for name in modules(PACKAGE) if name.split(".")[1:2] in (["cli"], ["errors"], ["seeds"])]
    light += ["cu.config.objective", "cu.config.validate", "cu.jobs.job", "cu.store.plan", "cu.tracking.mirror"]
    assert imported(*light) == set()


@pytest.mark.slow
def test_hydra_finds_the_launcher_without_loading_anything_heavy():
    assert imported("hydra_plugins.cu_pool.launcher") == set()


@pytest.mark.slow
def test_metrics_load_without_torch():
    metrics = [name for name in modules(PACKAGE) if name.startswith("cu.metrics")]
    assert not imported(*metrics) & {"torch", "torchvision", "wandb"}
