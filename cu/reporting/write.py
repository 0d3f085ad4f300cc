"""A report on disk: Markdown and a page to read, CSV to compute with, LaTeX to paste, and figures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pandas as pd

from cu.disk.files import write_text, writing
from cu.errors import ConfigError
from cu.reporting.collect.columns import missing_columns
from cu.reporting.collect.matching import said
from cu.reporting.collect.runs import Collection, collect
from cu.reporting.collect.selection import absent, select
from cu.reporting.render.csv import csv
from cu.reporting.render.escape import log
from cu.reporting.render.latex import latex
from cu.reporting.render.markdown import markdown
from cu.reporting.render.page.page import page
from cu.reporting.statement.of_report import write_statements
from cu.reporting.statistics.aggregate import Cells, aggregate
from cu.reporting.statistics.judge import judge
from cu.reporting.tables.build import build_tables
from cu.reporting.tables.literature import printed_numbers, with_printed
from cu.reporting.tables.section import shown_keys
from cu.reporting.tables.types import TableData
from cu.reporting.types import Report

if TYPE_CHECKING:
    from cu.reporting.figures.types import Figure

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A report that is on disk.

    Attributes:
        markdown: The tables to read.
        page: The tables and figures as one HTML file.
        files: All files, those two included.
        tables: What the tables hold.
        warnings: About the report as a whole.
        statistics: What the CSV file holds.
        figures: What was drawn; `folder` holds the files.
        folder: Where everything is.
    """

    markdown: Path
    page: Path
    files: tuple[Path, ...]
    tables: tuple[TableData, ...]
    warnings: tuple[str, ...]
    statistics: pd.DataFrame
    figures: tuple[Figure, ...]
    folder: Path


def write_report(settings: Report, outputs: Path, target: Path) -> Written:
    """Write `<name>.md`, `.csv`, `.tex` and `.html`, and `figures/`, from the run folders below `outputs`.

    Args:
        settings: What to show.
        outputs: The folder that holds `runs/`.
        target: The folder to write to; made if needed.

    Raises:
        ConfigError: There are no runs, or none that the report asks for, or its name leaves the folder of reports.
    """
    settings.check_name()
    everything = collect(outputs, settings.where)
    if everything.runs.empty:
        if settings.where and not collect(outputs).runs.empty:
            wanted = said(settings.where)
            key = wanted.partition("=")[0]
            raise ConfigError(f"report.where: no run has {wanted}; ask for others, e.g. report.where.{key}=...")
        raise ConfigError(f"paths.outputs: no runs below {outputs / 'runs'}; make some with cu-unlearn first")
    chosen = select(everything, settings)
    cells = judged(chosen, settings)
    warnings = [*absent(everything, settings), *missing_columns(chosen, settings)]
    for warning in warnings:
        logger.warning(log(warning))
    tables = build_tables(chosen, cells, settings)
    statistics = long_form(cells, settings.published)
    stem = target / Path(settings.name).name
    texts = {
        stem.with_name(f"{stem.name}.md"): markdown(settings.name, tables, warnings),
        stem.with_name(f"{stem.name}.csv"): csv(statistics),
        stem.with_name(f"{stem.name}.tex"): latex(tables),
    }
    for path, text in texts.items():
        write_text(path, text)
    figures, drawn = write_figures(chosen, cells, settings, target / "figures")
    whole = stem.with_name(f"{stem.name}.html")
    statements = write_statements(chosen, target, date.today()) if settings.statements else []
    write_text(whole, page(settings.name, tables, figures, warnings, statements))
    return Written(
        markdown=next(iter(texts)),
        page=whole,
        files=(*texts, whole, *drawn),
        tables=tuple(tables),
        warnings=tuple(warnings),
        statistics=statistics,
        figures=tuple(figures),
        folder=target,
    )


def judged(chosen: Collection, settings: Report) -> Cells:
    """Runs as cells with verdicts."""
    shown = shown_keys(chosen, settings)
    cells = aggregate(chosen, settings.seeds, settings.methods)
    return judge(cells, lambda stat: shown.get(stat.place, ()), settings.margins)


def show_report(written: Written, stream: TextIO) -> None:
    """Print the tables: as wide as a terminal is, as Markdown anywhere else."""
    if not stream.isatty():
        stream.write(written.markdown.read_text(encoding="utf-8") + "\n")
        return
    from rich.console import Console

    from cu.reporting.render.console import tables

    tables(Console(file=stream, highlight=False), written.tables, written.warnings)


def long_form(cells: Cells, published: str | None) -> pd.DataFrame:
    """What the CSV file holds; published numbers have two columns, if the report asks for them."""
    long = cells.long_form()
    return long if published is None else with_printed(long, printed_numbers(published))


def write_figures(
    chosen: Collection, cells: Cells, settings: Report, target: Path
) -> tuple[Sequence[Figure], list[Path]]:
    """Write `<name>.svg`, `.pdf`, `.png` and `.csv` of every figure; what is missing is logged with the reason."""
    if not settings.figures:
        return [], []
    from cu.reporting.figures.build import build_figures  # draws: seconds of import that tables do not need

    figures, notes = build_figures(chosen, cells, settings, target / ".coordinates")
    for note in notes:
        logger.warning(log(note))
    files = {
        target / f"{figure.name}.{suffix}": content
        for figure in figures
        for suffix, content in (
            *(("svg", figure.svg.encode()), ("pdf", figure.pdf), ("png", figure.png)),
            ("csv", csv(figure.data).encode()),
        )
    }
    for path, content in files.items():
        with writing(path) as temporary:
            temporary.write_bytes(content)
    return figures, list(files)
