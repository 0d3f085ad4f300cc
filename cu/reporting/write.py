"""A report on disk: Markdown to read, CSV to compute with, LaTeX to paste."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cu.config import ConfigError
from cu.reporting.aggregate import Cells, aggregate
from cu.reporting.collect import Collection, collect
from cu.reporting.columns import missing_columns
from cu.reporting.literature import printed_numbers, with_printed
from cu.reporting.render import latex, markdown
from cu.reporting.selection import said
from cu.reporting.tables import build_tables
from cu.reporting.types import Report
from cu.store.files import write_text

logger = logging.getLogger(__name__)


def write_report(settings: Report, outputs: Path, target: Path) -> list[Path]:
    """Write `<name>.md`, `<name>.csv` and `<name>.tex` from the run folders below `outputs`.

    Args:
        settings: What to show.
        outputs: The folder that holds `runs/`.
        target: The folder to write to; made if needed.

    Returns:
        The written files, Markdown first.

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
    warnings = [*_absent(everything, settings), *missing_columns(chosen, settings)]
    for warning in warnings:
        logger.warning(warning)
    tables = build_tables(chosen, cells, settings)
    stem = Path(settings.name).name
    texts = {
        "md": markdown(settings.name, tables, warnings),
        "csv": _long_form(cells, settings.published).to_csv(index=False),
        "tex": latex(tables),
    }
    files = {target / f"{stem}.{suffix}": text for suffix, text in texts.items()}
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def _long_form(cells: Cells, published: str | None) -> pd.DataFrame:
    long = cells.long_form()
    return long if published is None else with_printed(long, printed_numbers(published))


def select(collection: Collection, settings: Report) -> Collection:
    """The runs a report asks for.

    Raises:
        ConfigError: There are none.
    """
    runs, values = collection.runs, collection.values
    for column, field in _CHOICES.items():
        wanted = getattr(settings, field)
        if wanted is None:
            continue
        chosen = runs.loc[runs.loc[:, column].isin(list(wanted))]
        # A run whose seed cannot be read may be one of those asked for: it stays, as a hole.
        runs = runs.loc[runs.loc[:, column].isna() | runs.index.isin(chosen.index)] if column == "seed" else chosen
        values = values.loc[values.loc[:, column].isin(list(wanted))]
        if runs.empty:
            there = ", ".join(sorted(str(v) for v in collection.runs[column].dropna().unique()))
            raise ConfigError(f"report.{field}: no run matches {list(wanted)}; there are runs of {there}")
    return replace(collection, runs=runs, values=values)


_CHOICES = {"dataset": "datasets", "model": "models", "scenario": "scenarios", "method": "methods", "seed": "seeds"}


def _absent(collection: Collection, settings: Report) -> list[str]:
    """What was asked for and shows up nowhere; methods and seeds are holes inside the tables instead."""
    return [
        f"report.{field}: no run of {name}"
        for column, field in list(_CHOICES.items())[:3]
        for name in getattr(settings, field) or ()
        if name not in set(collection.runs[column])
    ]
