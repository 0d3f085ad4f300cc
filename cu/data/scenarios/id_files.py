"""Sample ids from a text or CSV file."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from cu.errors import ConfigError

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_COLUMNS = ("id", "index")


def read_ids(path: Path) -> list[int]:
    """The sample ids in a file, in its order.

    One id per line, or a CSV whose header names a column `id` or `index`; blank lines and what follows a `#` are
    skipped.

    Raises:
        ConfigError: The file cannot be read, holds no ids, or a line is malformed or repeats an id.
    """
    try:
        # Spreadsheets start UTF-8 files with a byte order mark.
        rows = _rows(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise ConfigError(f"scenario.file: cannot read {path.absolute()}: {reason}") from error
    column = 0
    if rows and (named := _id_column(rows[0][1])) is not None:
        column, rows = named, rows[1:]
    elif rows and len(rows[0][1]) > 1:
        raise _malformed(path, rows[0][0], "several columns, but no header that names one of them `id` or `index`")
    if not rows:
        raise ConfigError(f"scenario.file: {path} holds no sample ids")
    return _ids(path, rows, column)


def _rows(lines: Iterable[str]) -> list[tuple[int, list[str]]]:
    """Line number, from 1, and cells of every line that is not blank or a comment."""
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if not line.lstrip().startswith("#"))
    rows = ((number, [cell.strip() for cell in next(csv.reader([line]), [])]) for number, line in numbered)
    return [(number, cells) for number, cells in rows if any(cells)]


def _id_column(header: list[str]) -> int | None:
    names = [cell.lower() for cell in header]
    return next((names.index(name) for name in _COLUMNS if name in names), None)


def _ids(path: Path, rows: Iterable[tuple[int, list[str]]], column: int) -> list[int]:
    line_of: dict[int, int] = {}
    for number, cells in rows:
        cell = cells[column].split("#")[0].strip() if column < len(cells) else ""
        if not _WHOLE_NUMBER.fullmatch(cell):
            raise _malformed(path, number, f"{cell!r} is not a sample id, a whole number")
        sample = int(cell)
        if sample in line_of:
            raise _malformed(path, number, f"id {sample} is already on line {line_of[sample]}")
        line_of[sample] = number
    return list(line_of)


def _malformed(path: Path, line: int, problem: str) -> ConfigError:
    return ConfigError(f"scenario.file: {path} line {line}: {problem}")
