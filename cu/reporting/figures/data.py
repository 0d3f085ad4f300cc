"""All that the figures of one table are drawn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cu.reporting.collect.labels import natural
from cu.reporting.collect.runs import SEEDS, YARDSTICKS, Collection
from cu.reporting.figures.outputs import RunRecord
from cu.reporting.render.escape import visible
from cu.reporting.statistics.aggregate import ORIGINAL, RETRAINED, Cells
from cu.reporting.statistics.types import Statistic
from cu.reporting.tables.section import Section, Stats, sections, title_of
from cu.reporting.types import Report

MOST_ROWS = 4  # where every method costs a panel
MOST_DRAWN = 40  # in any figure: more cannot be told apart
BEFORE, TARGET = "original", "retrained"
FIRST = "contrastive"


@dataclass(frozen=True, eq=False)
class FigureRow:
    """One method with what sets it apart, and its finished runs in the order of their seeds."""

    method: str
    setting: str
    runs: tuple[RunRecord, ...]

    @property
    def label(self) -> str:
        """As in the table."""
        return visible(f"{self.method} ({self.setting})" if self.setting else self.method)

    def stat(self, scene: FigureData, key: str) -> Statistic | None:
        """Statistics of a metric over the runs; None if none reports it."""
        return scene.stats.get((self.method, self.setting), {}).get(key)


@dataclass(frozen=True, eq=False)
class FigureData:
    """One table's runs.

    Attributes:
        title: That of the table.
        kind: `class` or `sample`.
        rows: The methods, contrastive first; yardsticks are not among them.
        yardsticks: Finished runs of the methods `retrain` and `original`.
        stats: Statistics by row and key; `references` are those of retrained and original models.
        columns: Metric keys of the report's table.
        cache: A folder for what takes seconds to compute; None for none.
        total: Number of methods and settings, of which `rows` are at most 40.
        room: Number of methods in a figure where every method costs a panel or a line.
    """

    title: str
    kind: str
    rows: tuple[FigureRow, ...]
    yardsticks: tuple[RunRecord, ...]
    stats: Stats
    references: Stats
    columns: tuple[str, ...]
    cache: Path | None
    total: int = 0
    room: int = MOST_ROWS
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

    def colour_index(self, row: FigureRow) -> int:
        """Which colour and marker a method has in all figures."""
        return self.rows.index(row)

    def with_room(self, room: int) -> FigureData:
        """The same where more methods, or fewer, are few."""
        return replace(self, room=room)

    def key(self, label: str) -> str:
        """What a model is called in figures whose reader chooses: the same in all figures of the table."""
        places = {row.label: str(place) for place, row in enumerate(self.rows, start=1)}
        return places.get(label, label)

    def gid(self, label: str) -> str | None:
        """The id of what belongs to a model, in figures whose reader chooses; None in others."""
        return f"model-{self.key(label)}" if self.room > MOST_ROWS else None

    def few(self) -> list[FigureRow]:
        """At most as many rows as there is room for; the first setting of every method before the second of any."""
        turns = [[row.method for row in self.rows[:i]].count(row.method) for i, row in enumerate(self.rows)]
        ranked = sorted(range(len(self.rows)), key=lambda i: (turns[i], i))
        return [self.rows[i] for i in ranked[: self.room]]

    def left_out(self) -> tuple[str, ...]:
        """One line that says so if there are more methods than the few."""
        shown = [row.label for row in self.few()]
        if len(shown) == len(self.rows):
            return ()
        told = f"shows {len(shown)} of {len(self.rows)} methods, {', '.join(shown)}"
        return (f"{told}; report.methods chooses others",)

    def reference(self, which: str, key: str) -> Statistic | None:
        """Statistics of a metric of the `original` or `retrained` models; None if unknown."""
        return self.references.get((ORIGINAL if which == "original" else RETRAINED, ""), {}).get(key)

    def facts(self) -> str:
        """Seeds, retrained models and split sizes, for captions."""
        results = [run.result for run in self.runs]
        seeds = sorted({result.seeds.seed for result in results})
        counts = _span([result.references for result in results])
        splits = ("forget", "retain", "test", "test_forget")
        sizes = {name: _span([result.split_sizes.get(name, 0) for result in results]) for name in splits}
        within = f" ({sizes['test_forget']} of {self.forgotten()})" if self.kind == "class" else ""
        return (
            f"{self.title}: {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}; {counts} retrained "
            f"{'model' if counts == '1' else 'models'} per run; {sizes['forget']} forget, {sizes['retain']} retain, "
            f"{sizes['test']} test samples{within}."
        )

    def forgotten(self) -> str:
        """The forgotten classes by number and name, such as `class 5 (Sandal)`; empty in sample scenarios."""
        names, classes = dict(enumerate(self.class_names())), self.runs[0].result.forget_classes
        told = [f"{c} ({names[c]})" if names.get(c, str(c)) != str(c) else str(c) for c in classes]
        return f"{'class' if len(told) == 1 else 'classes'} {', '.join(told)}" if told else ""

    def class_names(self) -> list[str]:
        """Names of the classes, by index."""
        return [visible(name) for name in self.runs[0].result.class_names]


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def figure_data(collection: Collection, cells: Cells, report: Report, cache: Path | None) -> list[FigureData]:
    """What is to be drawn for every table that has a finished run, in the order of the tables."""
    found = (_of_section(section, report, cache) for section in sections(collection, cells, report))
    return [data for data in found if data.runs]


def _of_section(section: Section, report: Report, cache: Path | None) -> FigureData:
    finished = section.runs.loc[section.runs["state"] == "finished"].sort_values(SEEDS)
    found: dict[tuple[str, str], list[RunRecord]] = {}
    for method, setting, path in finished.loc[:, ["method", "setting", "path"]].itertuples(index=False, name=None):
        found.setdefault((method, setting), []).append(RunRecord(Path(path)))
    order = sorted(found, key=lambda key: (_rank(key[0], report.methods), natural(key[1])))
    rows = [FigureRow(*key, tuple(found[key])) for key in order]
    methods = [row for row in rows if row.method not in YARDSTICKS]
    return FigureData(
        title=title_of(section.place),
        kind=section.kind,
        rows=tuple(methods[:MOST_DRAWN]),
        total=len(methods),
        yardsticks=tuple(run for row in rows if row.method in YARDSTICKS for run in row.runs),
        stats=section.stats,
        references=section.references,
        columns=tuple(column.key for column in report.columns_for(section.kind)),
        cache=cache,
    )


def _rank(method: str, order: Sequence[str] | None) -> tuple:
    chosen = list(order or ())
    return (method != FIRST, chosen.index(method) if method in chosen else len(chosen), method)


def same_seed(scene: FigureData, rows: Sequence[FigureRow]) -> tuple[list[tuple[FigureRow, RunRecord]], list[str]]:
    """One run of each row, all with the seeds of the first row's first run; and one line on rows that lack it."""
    seeds = rows[0].runs[0].result.seeds
    wanted = (seeds.seed, seeds.forget_seed)
    chosen, absent = [], []
    for row in rows:
        run = next((r for r in row.runs if (r.result.seeds.seed, r.result.seeds.forget_seed) == wanted), None)
        if run is None:
            absent.append(f"{row.label} has no run with seed {seeds.seed}, forget_seed {seeds.forget_seed}")
        else:
            chosen.append((row, run))
    return chosen, absent
