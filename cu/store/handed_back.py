"""The record of weights that were handed back in the user's own format: where they are, and how to load them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cu.disk.digest import sha256
from cu.disk.files import read_mapping, write_json, write_text

RECORD, LINES = "unlearned.json", "load_unlearned.py"
HANDED_BACK = "unlearned"  # the file, but for its suffix, or the folder


def write_handed_back(folder: Path, file: Path, lines: Sequence[str], about: Mapping[str, Any]) -> None:
    """Write how to load a file in a run's folder, and what it was made of."""
    write_text(folder / LINES, "\n".join(lines) + "\n")
    name = file.relative_to(folder).as_posix()
    write_json(folder / RECORD, {**about, "file": name, "sha256": sha256(file)})


def read_handed_back(folder: Path) -> dict[str, Any] | None:
    """What was handed back: `source`, `source_sha256`, `used`, `file`, `sha256`; None if nothing was.

    Raises:
        Damaged: The record cannot be read.
    """
    return read_mapping(folder / RECORD)


def is_handed_back(folder: Path) -> bool:
    """Whether the user's own format of a run's weights is there and whole.

    Raises:
        Damaged: The record cannot be read.
    """
    record = read_handed_back(folder)
    file = folder / str((record or {}).get("file"))
    return record is not None and file.is_file() and record.get("sha256") == sha256(file)


def told(folder: Path) -> list[str]:
    """Where the weights are, and three lines that load them into the user's `network`; nothing if there are none."""
    record = read_handed_back(folder)
    if record is None or not (folder / record["file"]).is_file():
        return []
    lines = (folder / LINES).read_text(encoding="utf-8").splitlines()
    return [f"Yours    {folder / record['file']}", *(f"  {line}" for line in lines)]
