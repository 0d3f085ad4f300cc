"""Which runs a table should have and which of them are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from cu.reporting.collect.folder import STATES
from cu.reporting.collect.runs import CELL, SEEDS
from cu.reporting.statistics.types import Seeds

COUNTS = [*STATES, "missing"]


def completeness(
    runs: pd.DataFrame, seeds: Sequence[int] | None, methods: Sequence[str] | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts by cell and holes; see `cu.reporting.statistics.aggregate.Cells`."""
    own: dict[tuple, list[dict]] = {}
    seen: dict[tuple, set[Seeds]] = {}
    for run, cell in zip(runs.to_dict("records"), runs.loc[:, CELL].itertuples(index=False, name=None), strict=True):
        own.setdefault(cell, []).append(run)
        there = seen.setdefault(cell[:3], set())
        if not pd.isna(run["seed"]):
            there.add(_seeds(run))
    present: dict[tuple, set[str]] = {}
    for cell in own:
        present.setdefault(cell[:4], set()).add(cell[4])
    for table, there in present.items():
        own.update({(*table, method, ""): [] for method in methods or () if method not in there})
    wanted = {name: _expected(sorted(there), seeds) for name, there in seen.items()}
    counts, holes = [], []
    for cell, found in own.items():
        expected = wanted[cell[:3]]
        there = {_seeds(run) for run in found if not pd.isna(run["seed"])}
        missing = [seed for seed in expected if seed not in there]
        states = Counter(run["state"] for run in found)
        numbers = [states[state] for state in STATES]
        counts.append([*cell, max(len(expected), len(found)), *numbers, len(missing)])
        holes += [[*cell, *seed, "missing", "no run"] for seed in missing]
        broken = [run for run in found if run["state"] != "finished"]
        holes += [[*cell, *(run[name] for name in SEEDS), run["state"], run["error"]] for run in broken]
    return (
        pd.DataFrame(counts, columns=[*CELL, "expected", *COUNTS]),
        pd.DataFrame(holes, columns=[*CELL, *SEEDS, "state", "reason"]),
    )


def _seeds(run: dict) -> Seeds:
    return (int(run["seed"]), int(run["forget_seed"]), int(run["method_seed"]))


def _expected(seen: Sequence[Seeds], seeds: Sequence[int] | None) -> list[Seeds]:
    if seeds is None:
        return list(seen)
    return [match for seed in seeds for match in ([s for s in seen if s[0] == seed] or [(seed, seed, seed)])]
