"""Who is to be forgotten, as people have it: ids, file names or both, in text, CSV, JSON or NumPy files."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cu.data.scenarios.tables import Row, columns_of, text_rows, truth
from cu.errors import ConfigError, first_line

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True)
class Named:
    """One entry of a request.

    Attributes:
        where: Its place in the file, such as `line 3`.
        id: The sample id, if the entry has one.
        file: A path, file name or pattern, if the entry has one.
        sha256: Of the file's content, if the entry has it.
    """

    where: str
    id: int | None = None
    file: str | None = None
    sha256: str | None = None


def read_request(path: Path, known: Collection[str] = (), samples: int | None = None) -> list[Named]:
    """The entries of a file, in its order.

    Text has one id or file name per line; blank lines and what follows a `#` are skipped. A table has any of the
    delimiters comma, tab, semicolon and bar; its header names a column of ids or of files, or both. Where it has a
    column called `forget` or the like, the rows count in which that is true. JSON is a list of ids, names or objects
    with such keys, or an object of such lists; `.npy` has ids, names, or a boolean mask of ids.

    Args:
        path: The file.
        known: Names of the data set's files; a line that is one of them is taken whole.
        samples: How many ids there are, if that is known; a mask must have as many values.

    Raises:
        ConfigError: The file cannot be read, names nobody, a line is malformed, or a mask is of another data set or is
            written as numbers.
    """
    try:
        if path.suffix.lower() == ".npy":
            entries = _from_values(path, _array(path, samples))
        elif path.suffix.lower() == ".json":
            entries = _from_values(path, _unfolded(path, json.loads(_text(path))))
        else:
            entries = _from_rows(path, text_rows(_text(path), known))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        reason = getattr(error, "strerror", None) or reason_of(path, error)
        raise ConfigError(f"scenario.file: cannot read {path.absolute()}: {reason}") from error
    if not entries:
        raise ConfigError(f"scenario.file: {path} holds no sample ids and no file names")
    if len(entries) > 2 and all(entry.file is None and entry.id in (0, 1) for entry in entries):
        raise ConfigError(
            f"scenario.file: {path} holds only 0 and 1, many times, which is a mask and no ids: "
            "save it as .npy of truth values (dtype bool), or list the ids"
        )
    return entries


def reason_of(path: Path, error: Exception) -> str:
    """Why a file could be opened but not understood."""
    if path.suffix.lower() == ".json":
        return f"not JSON ({first_line(error)})"
    return "not an array of ids, names or truth values" if path.suffix.lower() == ".npy" else "not a text file"


def malformed(path: Path, where: str, problem: str) -> ConfigError:
    """The error for an entry that cannot be used."""
    return ConfigError(f"scenario.file: {path} {where}: {problem}")


def _text(path: Path) -> str:
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # what Windows calls Unicode
        return content.decode("utf-16")
    if b"\0" in content:
        raise ValueError("not a text file")
    # Spreadsheets start UTF-8 files with a byte order mark; names of files need not be UTF-8.
    return content.decode("utf-8-sig", "surrogateescape")


def _from_rows(path: Path, rows: Sequence[Row]) -> list[Named]:
    if not rows:
        return []
    columns, body = columns_of(rows)
    if columns is None:
        raise malformed(path, f"line {rows[0].number}", "several columns, but no header that names one `id` or `file`")
    entries = []
    for row in body:
        cells = {name: row.cells[c] if c < len(row.cells) else "" for name, c in columns.items()}
        entries += _entries(path, f"line {row.number}", cells)
    return entries


def _entries(path: Path, where: str, cells: Mapping[str, str]) -> list[Named]:
    """The entry of a row, or none where its column `chosen` says so."""
    chosen = truth(cells.get("chosen", "true"))
    if chosen is None:
        raise malformed(
            path, where, f"{cells['chosen']!r} is neither true nor false, which says who is to be forgotten"
        )
    return [_entry(path, where, cells)] if chosen else []


def _entry(path: Path, where: str, cells: Mapping[str, str]) -> Named:
    """An entry from the cells of its columns `id`, `file`, `sha256`, or `any` of the first two."""
    number, file = cells.get("id"), cells.get("file") or None
    if (only := cells.get("any")) is not None:
        number, file = (only, None) if _WHOLE_NUMBER.fullmatch(only) else (None, only)
    if number is not None and not _WHOLE_NUMBER.fullmatch(number):
        if number or file is None:
            raise malformed(path, where, f"{number!r} is not a sample id, a whole number")
        number = None
    if number is None and file is None:
        raise malformed(path, where, "names neither an id nor a file")
    return Named(where, None if number is None else int(number), file, cells.get("sha256") or None)


def _from_values(path: Path, values: Iterable[Any]) -> list[Named]:
    entries = []
    for position, value in enumerate(values, start=1):
        where = f"item {position}"
        if isinstance(value, Mapping):
            row = Row(1, tuple(map(str, value)))
            columns = columns_of([row])[0] or {}
            if columns.keys() <= {"any"}:
                raise malformed(path, where, "has neither a key `id` nor a key `file`")
            cells = [("" if v is None else str(v)) for v in value.values()]
            entries += _entries(path, where, {name: cells[c] for name, c in columns.items()})
        elif isinstance(value, (int, str)) and not isinstance(value, bool):
            entries.append(Named(where, file=value) if isinstance(value, str) else Named(where, id=value))
        else:
            raise malformed(path, where, f"{value!r} is neither an id nor a file name")
    return entries


def _unfolded(path: Path, content: Any) -> list[Any]:
    """The list in a JSON file; an object of lists becomes a list of objects."""
    if isinstance(content, list):
        return content
    pairs = content.items() if isinstance(content, dict) else ()
    lists = {k.removesuffix("s"): v for k, v in pairs if isinstance(v, list)}
    if len(lists) == 1:
        return next(iter(lists.values()))
    if not lists or len({len(v) for v in lists.values()}) > 1:
        raise malformed(path, "as JSON", "must be a list, or an object whose lists have one length")
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _array(path: Path, samples: int | None) -> list[Any]:
    import numpy as np

    values = np.load(path, allow_pickle=False)
    if values.ndim != 1 or values.dtype.kind not in "biuUS":
        raise ValueError("not a list")
    if values.dtype.kind == "b":
        if samples is not None and len(values) != samples:
            raise ConfigError(f"scenario.file: {path} is a mask of {len(values)} values, but there are {samples} ids")
        values = values.nonzero()[0]
    return values.astype(str).tolist() if values.dtype.kind == "S" else values.tolist()
