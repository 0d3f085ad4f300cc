"""What a report shows: which runs, which columns, in which order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Gt

from cu.errors import ConfigError
from cu.reporting.scales import SCALES, Scale, scale_of

Kind = Literal["class", "sample"]
ColumnField = Literal["key", "title", "scale"]
MarginScale = Literal["percent", "fraction"]
FigureName = Literal[
    "gap_map",
    "front",
    "probe_bars",
    "depths",
    "embedding_map",
    "embedding_plane",
    "destinations",
    "histograms",
    "roc",
    "trajectory",
    "relearning",
    "layers",
    "batch_curve",
]


@dataclass(frozen=True, kw_only=True)
class MetricColumn:
    """One metric in a table: its key, its heading, and how its numbers are written."""

    key: str
    title: str
    scale: Scale


@dataclass(frozen=True, kw_only=True)
class Report:
    """The selection and layout of one report; null means everything that is there.

    Attributes:
        name: Of the report's folder below `reports`, and, its last part, of the files.
        datasets: Data sets to show.
        models: Models to show.
        scenarios: Scenarios to show.
        methods: Methods to show, in this order; one without runs becomes a visible hole.
        seeds: Values of `seed` to show; one without a run becomes a visible hole.
        where: Settings that runs must have, nested as in the config; runs with others do not exist for the report.
        together: `model` puts all models of a data set and scenario into one table.
        published: A file of `cu/reporting/published` whose numbers are set beside ours.
        note: A sentence below every table.
        margins: By scale of a metric, the largest gap to retraining that does not matter, in stored units (0.01 is one
            percentage point), for metrics that have no margin of their own. To be declared before looking.
        columns: For `class` and for `sample` scenarios, metric keys or {key, title, scale}.
        figures: Which figures to draw for each table, in this order; null or empty for none.
        statements: Whether a statement to sign is written for every run.
    """

    name: str
    datasets: list[str] | None
    models: list[str] | None
    scenarios: list[str] | None
    methods: list[str] | None
    seeds: list[int] | None
    where: dict[str, Any]
    together: Literal["model"] | None
    published: str | None
    note: str | None
    margins: dict[MarginScale, Annotated[float, Gt(0)]]
    columns: dict[Kind, list[str | dict[ColumnField, str]]]
    figures: list[FigureName] | None
    statements: bool = False

    def check_name(self) -> None:
        """Refuse a name that leaves the folder of reports.

        Raises:
            ConfigError: It does, or holds what no name of a folder should.
        """
        if not re.fullmatch(r"[\w=+ -][\w.=+ -]*(/[\w=+ -][\w.=+ -]*)*", self.name):
            raise ConfigError(f"report.name={self.name!r} is no name of a folder: letters, digits, . _ = + - and /")

    def columns_for(self, kind: str) -> list[MetricColumn]:
        """The columns of tables about `class` or `sample` scenarios.

        Raises:
            ConfigError: There are none, one has no key, or its scale is unknown.
        """
        wanted = dict(self.columns).get(kind)  # type: ignore[call-overload]
        if not wanted:
            raise ConfigError(f"report.columns.{kind}: no columns, but there are runs of this kind; list metric keys")
        return [_column(entry, f"report.columns.{kind}[{i}]") for i, entry in enumerate(wanted)]


def _column(entry: str | dict[ColumnField, str], where: str) -> MetricColumn:
    given = {"key": entry} if isinstance(entry, str) else dict(entry)
    unknown = sorted(set(given) - {"key", "title", "scale"})
    if "key" not in given or unknown:
        raise ConfigError(f"{where}: expected a metric key or {{key, title, scale}}, got {given}")
    key = given["key"]
    scale = given.get("scale", scale_of(key))
    if scale not in SCALES:
        raise ConfigError(f"{where}.scale: {scale!r} is none of {', '.join(SCALES)}")
    return MetricColumn(key=key, title=given.get("title", key), scale=SCALES[scale])
