"""What stands behind a number: versions, commit and machine."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cu.store.result import Provenance

PACKAGES = ("cu", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "hydra-core", "wandb")


def provenance(machine: Mapping[str, Any]) -> Provenance:
    """Versions and commit of now.

    Args:
        machine: Device, precision, threads and the like, as `Hardware.describe` tells them.
    """
    commit, dirty = git_state()
    return Provenance(versions=dict(versions()), commit=commit, dirty=dirty, machine=dict(machine))


@lru_cache(maxsize=1)
def versions() -> Mapping[str, str]:
    """Installed versions of what can change a number."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@lru_cache(maxsize=1)
def git_state() -> tuple[str | None, bool | None]:
    """Commit of the checkout this package runs from, and whether it has changes; nulls for an installed wheel."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None, None
    try:
        commit, changes = (
            subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=10)
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "cu", "configs"])
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit.stdout.strip(), bool(changes.stdout.strip())
