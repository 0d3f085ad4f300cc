"""The user's own code behind a network, method or metric: a module, and those of the user's that it imports."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cu.disk.digest import file_hash, sha256

MOST_MODULES = 500


def sources_of(module: str) -> dict[str, Any]:
    """Hashes of a module's file and of the user's own modules that it imports; nothing where there is no such file."""
    imported = imported_sources(module)
    return {**source_of(module), **({"_imports_": imported} if imported else {})}


def source_of(module: str) -> dict[str, str]:
    """A hash of the file that holds a module, found without importing it; nothing where there is no such file."""
    top, *inner = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return {}
    places = [Path(place, *inner) for place in (spec.submodule_search_locations or ())] if spec else []
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
    if spec and spec.origin and not inner:
        files.append(Path(spec.origin))
    return next(({"_source_": sha256(file)} for file in files if file.is_file()), {})


def imported_sources(module: str) -> dict[str, str]:
    """Hashes of the user's own modules that a module imports, directly or not, by name; nothing is imported.

    Installed packages and Python's own modules are left out: their versions are recorded with a run.
    """
    found: dict[str, str] = {}
    waiting = list(_imports(module))
    while waiting and len(found) < MOST_MODULES:
        name = waiting.pop()
        path = own_file(name)
        if name not in found and name != module and path is not None:
            found[name] = sha256(path)
            waiting += _imports(name)
    return dict(sorted(found.items()))


def settings_files(settings: Mapping[str, Any], key: str) -> dict[str, str]:
    """Hashes of the files that settings name, such as initial weights, by the name of the setting."""
    words = {name: value for name, value in settings.items() if isinstance(value, str)}
    files = {name: value for name, value in words.items() if Path(value).expanduser().is_file()}
    return {name: file_hash(value, f"{key}.{name}") for name, value in files.items()}


@lru_cache(maxsize=1)
def _installed() -> tuple[Path, ...]:
    return tuple(Path(path).resolve() for path in sysconfig.get_paths().values())


def own_file(module: str) -> Path | None:
    """The file of a module of the user's own; None for what is installed or is not there."""
    top, *inner = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = [Path(place, *inner) for place in (spec.submodule_search_locations or ())]
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
    if spec.origin and not inner:
        files.append(Path(spec.origin))
    path = next((file.resolve() for file in files if file.suffix == ".py" and file.is_file()), None)
    if path is None or "site-packages" in path.parts or top == "cu":
        return None
    return None if any(path.is_relative_to(place) for place in _installed()) else path


def _imports(module: str) -> Iterator[str]:
    path = own_file(module)
    if path is None:
        return
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):  # said when it is imported
        return
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
