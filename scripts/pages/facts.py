"""When, where and by which commit a page was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cu.engine.hardware import cpu_name
from cu.store.provenance import git_state


def facts(outputs: Path | None) -> str:
    """When, where and by which commit: of the runs below a folder; of now, if there is none."""
    if outputs is None:
        commit, dirty = git_state()
        now = datetime.now(timezone.utc).isoformat(timespec="minutes")
        return f"Made {now} by {commit_text(commit, dirty)} on {cpu_name()}."
    results = [json.loads(path.read_text(encoding="utf-8")) for path in outputs.glob("runs/*/*/*/*/*/result.json")]
    ends = [
        json.loads(path.read_text(encoding="utf-8"))["ended"] for path in outputs.glob("runs/*/*/*/*/*/status.json")
    ]
    made_by = [result["provenance"] for result in results]
    commits = {commit_text(one["commit"], one["dirty"]) for one in made_by}
    machines = {machine_text(one["machine"]) for one in made_by}
    seeds = sorted({result["seeds"]["seed"] for result in results})
    references = min(result["references"] for result in results)
    return (
        f"{len(results)} runs, finished {min(ends)[:16]} to {max(ends)[:16]} (UTC) by {', '.join(sorted(commits))} "
        f"on {', '.join(sorted(machines))}; seeds {', '.join(map(str, seeds))}; {references} retrained models or more "
        "in each run. This page is written by `scripts/results`; every table ends with its noise floor."
    )


def commit_text(commit: str | None, dirty: bool | None) -> str:
    """A commit in a few words."""
    return f"commit {commit[:12]}{' with changes' if dirty else ''}" if commit else "an installed package"


def machine_text(machine: Mapping[str, Any]) -> str:
    """A machine in a few words."""
    return f"{machine['device_name']} ({machine['device']}, {machine['precision']}, {machine['num_threads']} threads)"
