"""All that the figures of one table are drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cu.reporting.aggregate import ORIGINAL, RETRAINED, Cells
from cu.reporting.collect import SEEDS, TABLE, YARDSTICKS, Collection
from cu.reporting.columns import scenario_kind
from cu.reporting.figures.outputs import RunRecord
from cu.reporting.labels import natural
from cu.reporting.part import title_of
from cu.reporting.types import Report

MOST_ROWS = 4  # where every method costs a panel
FIRST = "contrastive"


@dataclass(frozen=True, eq=False)
class Row:
    """One method with what sets it apart, and its finished runs in the order of their seeds."""

    method: str
    setting: str
    runs: tuple[RunRecord, ...]

    @property
    def label(self) -> str:
        """As in the table."""
        return f"{self.method} ({self.setting})" if self.setting else self.method

    def stat(self, scene: FigureData, key: str) -> Mapping:
        """Statistics of a metric over the runs; empty if none reports it."""
        return scene.stats.get((self.method, self.setting, key), {})


@dataclass(frozen=True, eq=False)
class FigureData:
    """One table's runs.

    Attributes:
        title: That of the table.
        kind: `class` or `sample`.
        rows: The methods, contrastive first; yardsticks are not among them.
        yardsticks: Finished runs of the methods `retrain` and `original`.
        stats: Statistics by method, setting and key; `references` are those of retrained and original models.
        columns: Metric keys of the report's table.
        cache: A folder for what takes seconds to compute; None for none.
    """

    title: str
    kind: str
    rows: tuple[Row, ...]
    yardsticks: tuple[RunRecord, ...]
    stats: Mapping[tuple[str, str, str], Mapping]
    references: Mapping[tuple[str, str, str], Mapping]
    columns: tuple[str, ...]
    cache: Path | None
    _kept: dict = field(default_factory=dict)

    def once(self, key: object, compute: Callable):
        """What `compute` returns, remembered: several figures read the same outputs."""
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]

    @property
    def runs(self) -> list[RunRecord]:
        """All finished runs, methods before yardsticks."""
        return [*(run for row in self.rows for run in row.runs), *self.yardsticks]

    def colour_index(self, row: Row) -> int:
        """Which colour and marker a method has in all figures."""
        return self.rows.index(row)

    def few(self) -> list[Row]:
        """At most four rows; the first setting of every method comes before the second of any."""
        turns = [[row.method for row in self.rows[:i]].count(row.method) for i, row in enumerate(self.rows)]
        ranked = sorted(range(len(self.rows)), key=lambda i: (turns[i], i))
        return [self.rows[i] for i in ranked[:MOST_ROWS]]

    def left_out(self) -> tuple[str, ...]:
        """One line that says so if there are more methods than the few."""
        shown = [row.label for row in self.few()]
        if len(shown) == len(self.rows):
            return ()
        return (f"shows {len(shown)} of {len(self.rows)} methods, {', '.join(shown)}; report.methods chooses",)

    def reference(self, which: str, key: str) -> Mapping:
        """Statistics of a metric of the `original` or `retrained` models; empty if unknown."""
        return self.references.get((ORIGINAL if which == "original" else RETRAINED, "", key), {})

    def facts(self) -> str:
        """Seeds, retrained models and split sizes, for captions."""
        results = [run.result for run in self.runs]
        seeds = sorted({result["seeds"]["seed"] for result in results})
        counts = _span([result["references"] for result in results])
        sizes = {name: _span([r["split_sizes"][name] for r in results]) for name in results[0]["split_sizes"]}
        within = f" ({sizes['test_forget']} of {self.forgotten()})" if self.kind == "class" else ""
        return (
            f"{self.title}: {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}; {counts} retrained "
            f"{'model' if counts == '1' else 'models'} per run; {sizes['forget']} forget, {sizes['retain']} retain, "
            f"{sizes['test']} test samples{within}."
        )

    def forgotten(self) -> str:
        """The forgotten classes by number and name, such as `class 5 (Sandal)`; empty in sample scenarios."""
        names, classes = self.class_names(), self.runs[0].result["forget_classes"]
        told = [str(c) if names[c] == str(c) else f"{c} ({names[c]})" for c in classes]
        return f"{'class' if len(told) == 1 else 'classes'} {', '.join(told)}" if told else ""

    def class_names(self) -> list[str]:
        """Names of the classes, by index."""
        return [str(name) for name in self.runs[0].result["class_names"]]


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def scenes(collection: Collection, cells: Cells, report: Report, cache: Path | None) -> list[FigureData]:
    """One scene for every table that has a finished run, in the order of the tables."""
    finished = collection.runs.loc[collection.runs["state"] == "finished"]
    names = finished.loc[:, TABLE].drop_duplicates().to_dict("records")
    names.sort(key=lambda name: [natural(name[level]) for level in TABLE])
    return [_scene(name, finished, cells, report, cache) for name in names]


def _scene(name: Mapping, finished: pd.DataFrame, cells: Cells, report: Report, cache: Path | None) -> FigureData:
    runs = _of(finished, name).sort_values(SEEDS)
    found: dict[tuple[str, str], list[RunRecord]] = {}
    for run in runs.to_dict("records"):
        found.setdefault((run["method"], run["setting"]), []).append(RunRecord(Path(run["path"])))
    order = sorted(found, key=lambda key: (_rank(key[0], report.methods), natural(key[1])))
    rows = [Row(*key, tuple(found[key])) for key in order]
    kind = scenario_kind(runs)
    return FigureData(
        title=title_of(name),
        kind=kind,
        rows=tuple(row for row in rows if row.method not in YARDSTICKS),
        yardsticks=tuple(run for row in rows if row.method in YARDSTICKS for run in row.runs),
        stats=_by_key(_of(cells.stats, name)),
        references=_by_key(_of(cells.references, name)),
        columns=tuple(column.key for column in report.columns_for(kind)),
        cache=cache,
    )


def _of(frame: pd.DataFrame, name: Mapping) -> pd.DataFrame:
    return frame.loc[(frame.loc[:, TABLE] == pd.Series(name)).all(axis=1)]


def _by_key(stats: pd.DataFrame) -> dict[tuple[str, str, str], dict]:
    return {(s["method"], s["setting"], s["key"]): s for s in stats.to_dict("records")}


def _rank(method: str, order: Sequence[str] | None) -> tuple:
    chosen = list(order or ())
    return (method != FIRST, chosen.index(method) if method in chosen else len(chosen), method)


def same_seed(scene: FigureData, rows: Sequence[Row]) -> tuple[list[tuple[Row, RunRecord]], list[str]]:
    """One run of each row, all with the seeds of the first row's first run; and one line on rows that lack it."""
    seeds = rows[0].runs[0].result["seeds"]
    wanted = {name: seeds[name] for name in ("seed", "forget_seed")}
    chosen, absent = [], []
    for row in rows:
        run = next((r for r in row.runs if wanted.items() <= r.result["seeds"].items()), None)
        if run is None:
            absent.append(f"{row.label} has no run with seed {seeds['seed']}, forget_seed {seeds['forget_seed']}")
        else:
            chosen.append((row, run))
    return chosen, absent
