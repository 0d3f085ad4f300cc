"""The statements of a report's runs: a page and a JSON file for each."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from cu.disk.files import write_json, write_text
from cu.errors import ConfigError
from cu.reporting.collect.runs import Collection
from cu.reporting.render.escape import log as escaped
from cu.reporting.render.page.types import Link
from cu.reporting.statement.page import page
from cu.reporting.statement.record import read_record
from cu.reporting.statement.statement import statement

log = logging.getLogger(__name__)
FOLDER = "statements"


def write_statements(chosen: Collection, target: Path, today: date) -> list[Link]:
    """Write a statement on every finished run; one whose record cannot be read is said and left out.

    Args:
        chosen: The runs of the report.
        target: The report's folder.
        today: Of the statements.
    """
    return list(_written(chosen.runs.to_dict("records"), target, today))


def _written(runs: Iterable[Mapping[Any, Any]], target: Path, today: date) -> Iterator[Link]:
    for run in runs:
        if run["state"] != "finished":
            continue
        try:
            facts = statement(read_record(Path(run["path"])), today.isoformat())
        except ConfigError as error:
            log.warning(escaped(f"no statement: {error}"))
            continue
        stem = f"{FOLDER}/{facts['run']['fingerprint']}"
        write_json(target / f"{stem}.json", facts)
        write_text(target / f"{stem}.html", page(facts))
        names = " / ".join(str(run[level]) for level in ("dataset", "model", "scenario", "method"))
        doubts = f"; doubts: {len(facts['doubts'])}" if facts["doubts"] else ""
        yield Link(title=f"{names}, seed {run['seed']}", place=f"{stem}.html", note=facts["conclusion"][0] + doubts)
