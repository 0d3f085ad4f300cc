"""A report on disk: Markdown and a page to read, CSV to compute with, LaTeX to paste, and figures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cu.disk.files import write_text, writing
from cu.errors import ConfigError
from cu.reporting.aggregate import Cells, aggregate
from cu.reporting.collect import Collection, collect
from cu.reporting.columns import missing_columns
from cu.reporting.latex import latex
from cu.reporting.literature import printed_numbers, with_printed
from cu.reporting.matching import said
from cu.reporting.page.page import page
from cu.reporting.render import markdown
from cu.reporting.selection import absent, select
from cu.reporting.tables import Table, build_tables
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
        cells: The statistics behind them.
        figures: What was drawn; `folder` holds the files.
        folder: Where everything is.
    """

    markdown: Path
    page: Path
    files: tuple[Path, ...]
    tables: tuple[Table, ...]
    cells: Cells
    figures: tuple[Figure, ...]
    folder: Path


def write_report(settings: Report, outputs: Path, target: Path) -> Written:
    """Write `<name>.md`, `.csv`, `.tex` and `.html`, and `figures/`, from the run folders below `outputs`.

    Args:
        settings: What to show.
        outputs: The folder that holds `runs/`.
        target: The folder to write to; made if needed.

    Raises:
        ConfigError: There are no runs, or none that the report asks for.
    """
    everything = collect(outputs, settings.where)
    if everything.runs.empty:
        if settings.where and not collect(outputs).runs.empty:
            wanted = said(settings.where)
            key = wanted.partition("=")[0]
            raise ConfigError(f"report.where: no run has {wanted}; ask for others, e.g. report.where.{key}=...")
        raise ConfigError(f"paths.outputs: no runs below {outputs / 'runs'}; make some with cu-unlearn first")
    chosen = select(everything, settings)
    cells = aggregate(chosen, settings.seeds, settings.methods, settings.margins)
    warnings = [*absent(everything, settings), *missing_columns(chosen, settings)]
    for warning in warnings:
        logger.warning(warning)
    tables = build_tables(chosen, cells, settings)
    stem = target / Path(settings.name).name
    texts = {
        stem.with_suffix(".md"): markdown(settings.name, tables, warnings),
        stem.with_suffix(".csv"): long_form(cells, settings.published).to_csv(index=False),
        stem.with_suffix(".tex"): latex(tables),
    }
    for path, text in texts.items():
        write_text(path, text)
    figures, drawn = write_figures(chosen, cells, settings, target / "figures")
    whole = stem.with_suffix(".html")
    write_text(whole, page(settings.name, tables, figures, warnings))
    return Written(
        markdown=stem.with_suffix(".md"),
        page=whole,
        files=(*texts, whole, *drawn),
        tables=tuple(tables),
        cells=cells,
        figures=tuple(figures),
        folder=target,
    )


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
        logger.warning(note)
    files = {
        target / f"{figure.name}.{suffix}": content
        for figure in figures
        for suffix, content in (
            *(("svg", figure.svg.encode()), ("pdf", figure.pdf), ("png", figure.png)),
            ("csv", figure.data.to_csv(index=False).encode()),
        )
    }
    for path, content in files.items():
        with writing(path) as temporary:
            temporary.write_bytes(content)
    return figures, list(files)
