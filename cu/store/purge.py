"""Remove what outlives a deletion: pixels, outputs and embeddings of samples that a run and those before it forgot."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cu.data.datasets.decoded_store import record_of
from cu.data.datasets.listing import CACHE
from cu.data.scenarios.id_files import Named
from cu.disk.files import Damaged, read_mapping
from cu.errors import ConfigError
from cu.store.forget_ids import left_behind
from cu.store.runs import STATES, outputs_of


@dataclass(frozen=True)
class Purge:
    """What there is to remove for a run, and what stays.

    Attributes:
        forgotten: How many samples it is about.
        files: What holds something of them, and is made anew when it is needed.
        kept: What also knows them and stays, each with the reason.
    """

    forgotten: int
    files: Sequence[Path]
    kept: Sequence[str]


def plan_purge(run: Path, data: Path | None = None) -> Purge:
    """What to remove for a run.

    Args:
        run: Its folder.
        data: Where decoded images are; None for where the run says.

    Raises:
        ConfigError: It is no run's folder.
    """
    try:
        entries = left_behind(run)
        result = read_mapping(run / "result.json") or {}
    except Damaged as error:
        raise ConfigError(str(error)) from error
    if entries is None:
        raise ConfigError(f"{run} is no run's folder: it has no forget_ids.csv")
    named = _models_in(result)
    root = (outputs_of(run) or run) / "models"
    models = [root / name for name in named if (root / name).is_dir()]
    place = data or recorded_data(run)
    cache = [] if place is None else sorted(_decoded(place / CACHE, entries))
    files = [*cache, *(path for folder in (run, *models) for path in _outputs_in(folder))]
    return Purge(len(entries), files, [*_unseen(root, named), *_kept(run, models, result, place)])


def remove(purge: Purge) -> int:
    """Remove the files; returns how many bytes that were."""
    size = 0
    for path in purge.files:
        try:
            size += path.stat().st_size
            path.unlink()
        except FileNotFoundError:  # another run of the same models named it, too
            continue
    return size


def recorded_data(run: Path) -> Path | None:
    """The folder `paths.data` of a run, where it is there; a relative one is looked for from here."""
    from omegaconf import OmegaConf

    try:
        place = Path(str(OmegaConf.select(OmegaConf.load(run / "config.yaml"), "paths.data"))).expanduser()
    except (OSError, ValueError):
        return None
    return place if place.is_dir() else None


def _models_in(result: Mapping[str, Any]) -> list[str]:
    """Names of the original, which comes first, and of the retrained models; none where a run has no result."""
    named = result.get("models") or {}
    names = [named.get("original"), *(named.get("retrained") or ())]
    return [name for name in names if isinstance(name, str)]


def _unseen(root: Path, named: Sequence[str]) -> Iterator[str]:
    """Outputs of models that cannot be found."""
    if not named:
        yield f"outputs of its models in {root}: the run has no result that names them; finish it, then purge again"
    elif lost := [name for name in named if not (root / name).is_dir()]:
        yield f"outputs of its models {', '.join(lost)}: they are not in {root}; name the run where it was made"


def _outputs_in(folder: Path) -> Iterator[Path]:
    """Logits and embeddings by sample, and states of a method that never ended."""
    yield from sorted(folder.glob("predictions*.npz"))
    yield from sorted(folder.glob("audited/*.npz"))
    yield from sorted(folder.glob(STATES))


def _decoded(cache: Path, entries: Sequence[Named]) -> Iterator[Path]:
    """The files of decoded arrays that hold a forgotten picture, and of those that were never finished."""
    contents = {entry.sha256.lower() for entry in entries if entry.sha256}
    for array in cache.glob("*.npy"):
        hashes = record_of(array.with_suffix(".json")).get("hashes")
        if hashes is None or contents & set(hashes):
            yield from (path for path in cache.glob(f"{array.stem}.*"))
    for partial in cache.glob("*.partial"):
        yield from cache.glob(f"{partial.stem}.*")


def _kept(run: Path, models: Sequence[Path], result: Any, place: Path | None) -> Iterator[str]:
    if models:
        yield f"{models[0]}: the weights of the original, which was trained on them; remove it by hand"
    if (run / "wandb").is_dir():
        yield f"{run / 'wandb'}: what was mirrored to W&B; remove it by hand, and online where it was uploaded"
    if place is None:
        yield "decoded images: paths.data of the run is not there from here; name it with --data DIR"
    names = json.dumps(result.get("names", {}).get("dataset")) if isinstance(result, dict) else ""
    yield f"the pictures themselves, in the data set {names}"
