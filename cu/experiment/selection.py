"""Which finished runs are meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cu.disk.files import Damaged, read_json
from cu.errors import ConfigError
from cu.store.plan import folder_name
from cu.store.result import read_run_result

LEVELS = ("datasets", "models", "scenarios", "methods")  # the folders above a run, outermost first


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which finished runs to evaluate; null means all. Names are those of the folders below `runs`."""

    datasets: list[str] | None
    models: list[str] | None
    scenarios: list[str] | None
    methods: list[str] | None
    seeds: list[int] | None

    def runs(self, outputs: Path) -> list[Path]:
        """The folders of the finished runs that are meant, sorted.

        Raises:
            ConfigError: There are none of one of the names.
        """
        chosen = sorted(f.parent for f in outputs.glob("runs/*/*/*/*/*/status.json") if is_finished(f))
        if not chosen:
            raise ConfigError(f"no finished run below paths.outputs={outputs}; make some with cu-unlearn")
        for place, level in enumerate(LEVELS, start=-5):
            wanted = getattr(self, level)
            names = None if wanted is None else [folder_name(str(name)) for name in wanted]
            chosen = matching(chosen, {run: run.parts[place] for run in chosen}, names, level)
        seeds = {} if self.seeds is None else {run: seed_of(run) for run in chosen}
        return matching(chosen, seeds, self.seeds, "seeds")


def matching(runs: list[Path], values: Mapping[Path, Any], wanted: Sequence[Any] | None, level: str) -> list[Path]:
    """The runs that have a wanted value; all of them if None.

    Raises:
        ConfigError: No run has one of the values.
    """
    if wanted is None:
        return runs
    there = {value for value in values.values() if value is not None}
    if missing := [value for value in wanted if value not in there] or ([] if wanted else ["nothing"]):
        unknown, known = (", ".join(map(str, values)) for values in (missing, sorted(there)))
        raise ConfigError(f"select.{level}: no finished run of {unknown}; there are runs of {known}")
    return [run for run in runs if values[run] in wanted]


def is_finished(status: Path) -> bool:
    """Whether a `status.json` says so."""
    try:
        return read_json(status).get("state") == "finished"
    except (Damaged, AttributeError):
        return False


def seed_of(folder: Path) -> int | None:
    """The seed of a run's original; None, which no list holds, if it cannot be read."""
    try:
        result = read_run_result(folder)
    except Damaged:
        return None
    return None if result is None else result.seeds.seed
