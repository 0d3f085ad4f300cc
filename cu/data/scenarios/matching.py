"""Which samples the entries of a request are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cu.data.datasets.listing import SPLITS, examples, shown
from cu.data.scenarios.id_files import Named, malformed
from cu.errors import ConfigError

if TYPE_CHECKING:
    from cu.data.types import Files


@dataclass(frozen=True)
class Names:
    """The files of a data set, to be looked up by what people call them."""

    files: Files

    @cached_property
    def by_path(self) -> Mapping[str, int]:
        """Ids by path below the split folder."""
        return {name: number for number, name in enumerate(self.files.names)}

    @cached_property
    def by_name(self) -> Mapping[str, Sequence[int]]:
        """Ids by file name without folders."""
        found: dict[str, list[int]] = {}
        for number, name in enumerate(self.files.names):
            found.setdefault(name.rpartition("/")[2], []).append(number)
        return found

    def find(self, asked: str) -> Sequence[int]:
        """Ids of a path, a file name or a pattern (`*` spans folders), in this order; empty if there is none."""
        path = self.below(asked)
        if path in self.by_path:
            return [self.by_path[path]]
        if path in self.by_name:
            return self.by_name[path]
        if re.search(r"[*?\[]", path):
            fits = re.compile(translate(path if "/" in path else f"*/{path}")).match
            return [number for name, number in self.by_path.items() if fits(name)]
        return []

    def below(self, asked: str) -> str:
        """A path as relative to the split folder, where it is one of those that lead there."""
        path = asked.replace("\\", "/").removeprefix("./")
        folder = self.files.folder
        if path in self.by_path or "/" not in path:
            return path
        if path.startswith(f"{folder.name}/"):
            return path.removeprefix(f"{folder.name}/")
        for place in (folder, folder.resolve()):
            full = Path(path).expanduser().absolute()
            if place in full.parents:
                return full.relative_to(place).as_posix()
        return path


def matched(entries: Sequence[Named], files: Files | None, source: Path) -> list[int]:
    """The ids of a request, in its order; some may be there several times.

    Args:
        entries: Of the request.
        files: Of the data set, if it has any.
        source: The file that the entries are from.

    Raises:
        ConfigError: A file is not there or is several, id and file are of two samples, or a picture is another one
            than the entry's hash says.
    """
    if files is None:
        return [_number(entry, source) for entry in entries]
    names, ids, absent = Names(files), [], []
    for entry in entries:
        if entry.file is None:
            assert entry.id is not None
            ids.append(entry.id)
        elif not (found := names.find(entry.file)):
            absent.append(entry)
        else:
            ids += _checked(entry, found, names, source)
    if absent:
        raise ConfigError(f"scenario.file: {_absence(absent, names)} ({source})")
    return ids


def _number(entry: Named, source: Path) -> int:
    if entry.id is None:
        raise malformed(source, entry.where, f"{entry.file!r} is not a sample id, and this data set has no files")
    return entry.id


def _checked(entry: Named, found: Sequence[int], names: Names, source: Path) -> Sequence[int]:
    """The samples of an entry, if they are what else it says."""
    assert entry.file is not None
    paths = [names.files.names[number] for number in found]
    if len(found) > 1 and entry.file in names.by_name:
        several = f"{shown(entry.file)} is {len(found)} images ({examples(paths)}): write the folder, too"
        raise malformed(source, entry.where, several)
    if entry.id is not None and list(found) != [entry.id]:
        is_now = names.files.names[entry.id] if 0 <= entry.id < len(names.files.names) else "no image"
        raise malformed(
            source,
            entry.where,
            f"id {entry.id} is {shown(is_now)} and not {shown(entry.file)}: ids shift when pictures come or go; "
            "keep only the column that is right",
        )
    if entry.sha256 is not None and any(names.files.hashes[number] != entry.sha256.lower() for number in found):
        raise malformed(source, entry.where, f"{shown(paths[0])} is another picture by now: its SHA-256 has changed")
    return found


def _absence(absent: Sequence[Named], names: Names) -> str:
    asked = [entry.file or "" for entry in absent]
    what = f"{examples(asked)} {'is' if len(asked) == 1 else 'are'} not among the training images"
    folder = names.files.folder
    elsewhere = {name for own in SPLITS.values() for name in own} - {folder.name}
    if {PurePosixPath(name).parts[0] for name in asked if name} & elsewhere:
        return f"{what}; no model is trained on those of other folders than {folder.name}"
    return f"{what}; names are relative to {folder}, such as {shown(names.files.names[0])}"
