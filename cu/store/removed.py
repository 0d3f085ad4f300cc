"""The ledger: what earlier requests removed, told by the settings and by the run that a checkpoint comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cu.config.schema import TrainConfig
from cu.data.scenarios.id_files import Named, read_request
from cu.disk.files import Damaged
from cu.errors import ConfigError
from cu.store.forget_ids import left_behind
from cu.store.handed_back import HANDED_BACK


@dataclass(frozen=True)
class Removal:
    """What is left out of everything.

    Attributes:
        entries: Each once.
        sources: Files and run folders that say so.
    """

    entries: Sequence[Named] = ()
    sources: Sequence[Path] = ()

    def identity(self) -> list[str | int]:
        """By content where it is known, else by name or id; whoever says so does not matter."""
        return sorted({key for entry in self.entries if (key := _key(entry)) is not None}, key=str)


def removal_of(config: TrainConfig) -> Removal:
    """What is to be left out of everything.

    Raises:
        ConfigError: A list cannot be read.
    """
    asked = [config.removed] if isinstance(config.removed, str) else list(config.removed or ())
    found: dict[str | int | None, Named] = {}
    sources = []
    for path in [Path(place).expanduser() for place in asked]:
        found |= {_key(entry): entry for entry in _read(path)}
        sources.append(path)
    if config.checkpoint:
        folder = run_of(Path(config.checkpoint).expanduser().absolute())
        own = _left_behind_by(folder)
        if own is not None and folder not in {path.absolute() for path in sources}:
            found |= {_key(entry): entry for entry in own}
            sources.append(folder)
    return Removal(tuple(found.values()), tuple(sources))


def run_of(weights: Path) -> Path:
    """The folder of the run that left weights, in its own format or handed back in the user's: a file or a folder."""
    return weights.parent.parent if weights.parent.name == HANDED_BACK else weights.parent


def _left_behind_by(run: Path) -> Sequence[Named] | None:
    try:
        return left_behind(run)
    except Damaged as error:
        raise ConfigError(f"model.checkpoint: {error}, so that nobody knows what its run removed") from error


def _read(path: Path) -> Sequence[Named]:
    try:
        if not path.is_dir():
            return read_request(path)
        if (entries := left_behind(path)) is not None:
            return entries
    except (ConfigError, Damaged) as error:
        raise ConfigError(f"removed: {str(error).removeprefix('scenario.file: ')}") from error
    raise ConfigError(f"removed={path} is a folder without forget_ids.csv: name a run, or a file of ids or file names")


def _key(entry: Named) -> str | int | None:
    return entry.sha256 or entry.file or entry.id
