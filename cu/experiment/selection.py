"""Which finished runs are meant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
            ConfigError: There are none.
        """
        finished = sorted(f.parent for f in outputs.glob("runs/*/*/*/*/*/status.json") if is_finished(f))
        chosen = finished
        for place, level in enumerate(LEVELS, start=-5):
            if (wanted := getattr(self, level)) is None:
                continue
            names = {folder_name(str(name)) for name in wanted}
            there = ", ".join(sorted({run.parts[place] for run in chosen}))
            chosen = [run for run in chosen if run.parts[place] in names]
            if not chosen and there:
                raise ConfigError(f"select.{level}: no finished run matches {list(wanted)}; there are runs of {there}")
        if self.seeds is not None:
            chosen = [run for run in chosen if seed_of(run) in self.seeds]
        if not chosen:
            with_seeds = f" with a seed of {list(self.seeds)}" if finished and self.seeds is not None else ""
            raise ConfigError(f"no finished run{with_seeds} below paths.outputs={outputs}; make some with cu-unlearn")
        return chosen


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
