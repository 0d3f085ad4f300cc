"""Rows of numbers, one JSON object per line, appended as work goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cu.disk.files import plain, write_text


class JsonLines:
    """Rows of numbers by step, on disk as soon as they are written.

    Rows of one step may be several. The first row after opening, and any row that goes back, replaces all rows from
    its step on: that is how an interrupted training continues its own file.
    """

    def __init__(self, path: Path, keep: bool) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not keep:
            path.unlink(missing_ok=True)
        self.next_step = math.inf if path.exists() else 0

    def append(self, values: Mapping[str, float], step: int) -> None:
        """Add one row."""
        if step < self.next_step:
            earlier = [row for row in read_rows(self.path) if row["step"] < step]
            write_text(self.path, "".join(json.dumps(row) + "\n" for row in earlier))
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **plain(values)}) + "\n")
        self.next_step = step


class NoRows(JsonLines):
    """Rows that somebody else writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, values: Mapping[str, float], step: int) -> None:
        """Drop the row."""


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file up to the first that is none, which a kill or a bad disk left."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            break
        rows.append(row)
    return rows
