"""Who was forgotten, by a run and by those before it: lists in the format that `scenario=indices` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from cu.data.scenarios.id_files import Named, read_request
from cu.disk.files import Damaged, writing
from cu.errors import ConfigError

NAME = "forget_ids.csv"
EARLIER = "removed.csv"


def write_forget_ids(folder: Path, entries: Iterable[Named], name: str = NAME) -> None:
    """Write who was forgotten: a column `id`, and `file` and `sha256` where the data set has files."""
    rows = [(entry.id, entry.file, entry.sha256) for entry in entries]
    columns = ("id", "file", "sha256") if any(file for _, file, _ in rows) else ("id",)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *(row[: len(columns)] for row in rows)])
    with writing(folder / name) as temporary:  # names of files need not be UTF-8
        temporary.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))


def read_forget_ids(folder: Path) -> list[int] | None:
    """The ids a run left behind, in its order; None if it left none.

    Raises:
        Damaged: The file is there and is not a list of ids.
    """
    entries = read_entries(folder / NAME)
    return None if entries is None else [entry.id for entry in entries if entry.id is not None]


def read_entries(path: Path) -> list[Named] | None:
    """The entries of a list that a run left behind; None if there is no such list.

    Raises:
        Damaged: It is there and is no such list.
    """
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            if file.readline().split(b",")[0].strip() != b"id":
                raise Damaged(f"{path} is damaged (no column of ids)")
        return read_request(path)
    except (OSError, ConfigError) as error:
        raise Damaged(f"{path} is damaged ({error})") from error


def left_behind(folder: Path) -> Sequence[Named] | None:
    """Everybody whom a run and those before it removed; None if the folder is no run's.

    Raises:
        Damaged: One of the lists cannot be read.
    """
    own = read_entries(folder / NAME)
    return None if own is None else [*(read_entries(folder / EARLIER) or ()), *own]
