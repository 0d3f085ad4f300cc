"""Forget a list of sample ids, and explain ids that cannot be forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cu.data.scenarios.id_files import read_ids
from cu.data.scenarios.kind import ScenarioKind
from cu.data.scenarios.types import Scenario
from cu.disk.digest import file_hash
from cu.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from cu.data.types import ImageData, Split


@dataclass(frozen=True, kw_only=True)
class IndicesScenario(Scenario):
    """Forget the training samples whose ids are in a file.

    Attributes:
        file: One sample id per line, or a CSV whose header names a column `id` or `index`. Blank lines and what
            follows a `#` are skipped. Ids are positions in the data set's own file order.
    """

    kind: ClassVar[ScenarioKind] = "sample"

    file: str

    def identity(self) -> Mapping[str, Any]:
        """The content of the file, wherever it is."""
        return {"name": type(self).__name__, "ids": file_hash(self.file, "scenario.file")}

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> torch.Tensor:
        """Sorted int64 positions in `train` of the samples in the file; nothing is random.

        Raises:
            ConfigError: The file cannot be read, or an id repeats, does not exist or is not in `train`
                (`UntrainedIdsError`), or all of `train` would be forgotten.
        """
        import torch

        ids = read_ids(Path(self.file).expanduser())
        end = max(len(train.images), int(train.ids.max()) + 1)
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
    """Sample ids of a file that exist in the data set, but not among the samples models are trained on."""

    def __init__(self, ids: list[int], reason: str = "not in the training split: remove them from the file"):
        super().__init__(f"scenario.file: {_named(ids)} {reason}")
        self.ids = ids

    def explained(self, data: ImageData) -> UntrainedIdsError:
        """The same error for the ids that share one reason, and what to do about it."""
        in_val = _among(self.ids, data.val)
        if in_val:
            remedy = "set dataset.val_fraction=0, or remove them from the file"
            return UntrainedIdsError(in_val, f"held out in the validation split: {remedy}")
        in_test = _among(self.ids, data.test) if data.test.images is data.train.images else []
        if in_test:
            return UntrainedIdsError(
                in_test, "in the test split, which no model is trained on: remove them from the file"
            )
        remedy = "set dataset.train_size=null, or remove them from the file"
        return UntrainedIdsError(self.ids, f"left out by dataset.train_size or dataset.test_size: {remedy}")


def _among(ids: list[int], split: Split) -> list[int]:
    members = set(split.ids.tolist())
    return [sample for sample in ids if sample in members]


def _named(ids: list[int], shown: int = 5) -> str:
    """A subject and its verb: `id 3 is`, `ids 3, 7 and 9 more are`."""
    if len(ids) == 1:
        return f"id {ids[0]} is"
    more = f" and {len(ids) - shown} more" if len(ids) > shown else ""
    return f"ids {', '.join(map(str, ids[:shown]))}{more} are"
