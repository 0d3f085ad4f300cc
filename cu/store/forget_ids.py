"""Who was forgotten: the ids of a run's forget set, in the format that `scenario=indices` reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cu.disk.files import Damaged, write_text

NAME = "forget_ids.csv"


def write_forget_ids(folder: Path, ids: Iterable[int]) -> None:
    """Write `forget_ids.csv`: a header, then one sample id per line."""
    write_text(folder / NAME, "\n".join(["id", *map(str, ids)]) + "\n")


def read_forget_ids(folder: Path) -> list[int] | None:
    """The ids a run left behind, in its order; None if it left none.

    Raises:
        Damaged: The file is there and is not a list of ids.
    """
    try:
        header, *lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
        if header != "id" or not lines:
            raise ValueError("no ids in it")
        return [int(line) for line in lines]
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Damaged(f"{folder / NAME} is damaged ({error})") from error
