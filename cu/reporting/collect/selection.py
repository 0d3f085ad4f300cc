"""The runs that a report asks for, and what it asks for in vain."""

from __future__ import annotations

from dataclasses import replace

from cu.errors import ConfigError
from cu.reporting.collect.runs import Collection
from cu.reporting.types import Report


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


def absent(collection: Collection, settings: Report) -> list[str]:
    """What was asked for and shows up nowhere; methods and seeds are holes inside the tables instead."""
    return [
        f"report.{field}: no run of {name}"
        for column, field in list(_CHOICES.items())[:3]
        for name in getattr(settings, field) or ()
        if name not in set(collection.runs[column])
    ]
