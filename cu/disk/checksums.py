"""Whether a file is still what was written, told by a checksum beside it: a list cut off at a line still is a list."""

from __future__ import annotations

from pathlib import Path

from cu.disk.digest import sha256
from cu.disk.files import Damaged, write_text


def seal(path: Path, named: Path | None = None) -> None:
    """Write `<file>.sha256` beside a file, or beside where it will be; in the format of `sha256sum`."""
    place = named or path
    write_text(beside(place), f"{sha256(path)}  {place.name}\n")


def require_whole(path: Path) -> None:
    """Check a file against its checksum, if it has one; earlier versions wrote none.

    Raises:
        Damaged: It is not what was written, or gone.
        OSError: It cannot be read.
    """
    try:
        known = beside(path).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return
    except UnicodeDecodeError as error:
        raise Damaged(f"{beside(path)} is damaged") from error
    if not path.exists() or known[:1] != [sha256(path)]:
        raise Damaged(f"{path} is not what was written (its checksum is wrong): was it cut off or edited?")


def beside(path: Path) -> Path:
    """Where a file's checksum is."""
    return path.with_name(f"{path.name}.sha256")
