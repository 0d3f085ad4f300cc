"""Forget a list of samples, and explain those that cannot be forgotten."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cu.data.datasets.listing import examples
from cu.data.scenarios.id_files import read_request
from cu.data.scenarios.kind import ScenarioKind
from cu.data.scenarios.matching import matched
from cu.data.scenarios.types import Scenario
from cu.disk.digest import file_hash
from cu.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from cu.data.types import ImageData, Split

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class IndicesScenario(Scenario):
    """Forget the training samples that a file names, by id or by file name.

    Attributes:
        file: Ids (positions in the data set's own file order), paths, file names or patterns; see
            `cu.data.scenarios.id_files.read_request`.
    """

    kind: ClassVar[ScenarioKind] = "sample"

    file: str

    def identity(self) -> Mapping[str, Any]:
        """The content of the file, wherever it is."""
        return {"name": type(self).__name__, "ids": file_hash(self.file, "scenario.file")}

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> torch.Tensor:
        """Sorted int64 positions in `train` of the samples in the file; nothing is random.

        Raises:
            ConfigError: The file cannot be read, or a sample does not exist, is not what the file says of it, or is
                not in `train` (`UntrainedIdsError`), or all of `train` would be forgotten.
        """
        import torch

        path = Path(self.file).expanduser()
        end = max(len(train.images), int(train.ids.max()) + 1)
        found = matched(read_request(path, train.files.names if train.files else (), end), train.files, path)
        ids = list(dict.fromkeys(found))
        if len(ids) < len(found):
            log.info("scenario.file: %d samples are named more than once; each counts once", len(found) - len(ids))
        if outside := [sample for sample in ids if not 0 <= sample < end]:
            raise ConfigError(
                f"scenario.file: {_named(outside)} out of range: ids run from 0 to {end - 1} ({self.file})"
            )
        position = {sample: index for index, sample in enumerate(train.ids.tolist())}
        if absent := [sample for sample in ids if sample not in position]:
            raise UntrainedIdsError(absent)
        if len(ids) == len(train):
            raise ConfigError(f"scenario.file: {self.file} names all {len(ids)} training samples: leave some to retain")
        return torch.tensor([position[sample] for sample in ids]).sort().values


class UntrainedIdsError(ConfigError):
    """Samples of a file that exist in the data set, but not among the samples models are trained on.

    Attributes:
        ids: Theirs.
        held_out: Whether they are in a validation split that is cut from the training images.
    """

    def __init__(
        self,
        ids: list[int],
        reason: str = "not in the training split: remove them from the file",
        names: Sequence[str] = (),
        held_out: bool = False,
    ):
        super().__init__(f"scenario.file: {_named(ids, names)} {reason}")
        self.ids, self.held_out = ids, held_out

    def explained(self, data: ImageData) -> UntrainedIdsError:
        """The same error for the samples that share one reason, and what to do about it."""
        files, train = data.train.files, data.train
        names = files.names if files else ()
        of_val = _among(self.ids, data.val) if data.val.images is train.images else []
        if of_val:
            remedy = "set dataset.val_fraction=0 if they are to be forgotten"
            return UntrainedIdsError(of_val, f"held out in the validation split: {remedy}", names, held_out=True)
        if data.removed is not None and (before := _among(self.ids, data.removed)):
            return UntrainedIdsError(before, "removed by an earlier request: remove them from the file", names)
        of_test = _among(self.ids, data.test) if data.test.images is train.images else []
        if of_test and files:
            place = files.folder.with_name("test")
            remedy = f"put test images of their own into {place}, then nothing is cut and all can be forgotten"
            return UntrainedIdsError(of_test, f"in the test split that is cut from {files.folder}: {remedy}", names)
        if of_test:
            return UntrainedIdsError(
                of_test, "in the test split, which no model is trained on: remove them from the file"
            )
        if files and (broken := [sample for sample in self.ids if sample not in _readable(data)]):
            remedy = "nothing is trained on them, remove them from the file"
            return UntrainedIdsError(broken, f"left out by dataset.skip_unreadable: {remedy}", names)
        remedy = "set dataset.train_size=null if they are to be forgotten"
        return UntrainedIdsError(self.ids, f"left out by dataset.train_size or dataset.test_size: {remedy}", names)


def _readable(data: ImageData) -> set[int]:
    files = data.train.files
    return set() if files is None else {number for number, own in enumerate(files.hashes) if own is not None}


def _among(ids: list[int], split: Split) -> list[int]:
    members = set(split.ids.tolist())
    return [sample for sample in ids if sample in members]


def _named(ids: list[int], names: Sequence[str] = (), shown: int = 5) -> str:
    """A subject and its verb: `id 3 is`, `ids 3, 7 and 9 more are`, `cat/1.png is`."""
    if names:
        return f"{examples([names[i] for i in ids])} {'is' if len(ids) == 1 else 'are'}"
    if len(ids) == 1:
        return f"id {ids[0]} is"
    more = f" and {len(ids) - shown} more" if len(ids) > shown else ""
    return f"ids {', '.join(map(str, ids[:shown]))}{more} are"
