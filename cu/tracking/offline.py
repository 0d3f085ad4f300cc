"""Runs that W&B keeps in local files: where they are, and what to do with them."""

from __future__ import annotations

from pathlib import Path

RUNS = "wandb/offline-run-*"


def hint(folder: Path) -> str | None:
    """How to look at the offline runs of one run's folder and how to send them; None if there are none."""
    found = sorted(folder.glob(RUNS))
    return told(folder / "wandb", str(found[-1])) if found else None


def hint_for_all(outputs: Path, since: float) -> str | None:
    """The same for all runs below an outputs folder; None if none was begun since then.

    Args:
        outputs: The folder.
        since: Seconds since the epoch.
    """
    for pattern in ("runs/*/*/*/*/*", "trained/*/*/*"):
        new = [path for path in outputs.glob(f"{pattern}/{RUNS}") if path.stat().st_mtime >= since]
        if new:
            return told(new[-1].parent, f"{outputs}/{pattern}/{RUNS}")
    return None


def told(look: Path, send: str) -> str:
    """The two commands."""
    return f"tracked offline: look with `wandb leet {look}`, send with `wandb sync {send}`"
