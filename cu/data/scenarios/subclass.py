"""Forget a part of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cu.data.scenarios.kind import ScenarioKind
from cu.data.scenarios.types import Scenario
from cu.errors import ConfigError, suggestion

if TYPE_CHECKING:
    import torch

    from cu.data.types import Split


@dataclass(frozen=True, kw_only=True)
class SubclassScenario(Scenario):
    """Forget every training sample of some parts of classes: one breed of dogs, one person among many.

    The class itself stays, so that the model has to tell the rest of it as before.

    Attributes:
        parts: As `class/part`. In a folder of images these are the subfolders of class folders, and what is deeper
            belongs to them; of `dataset=cifar100_superclasses`, the fine classes.
    """

    kind: ClassVar[ScenarioKind] = "sample"

    parts: list[str]

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> torch.Tensor:
        """Sorted int64 positions in `train` of all samples of the parts; nothing is random.

        Raises:
            ConfigError: The data set has no parts, a part is not there or has no training samples, or nothing of
                its class would be left.
        """
        import torch

        places = train.parts or ()
        there = sorted({place for own in places for place in own})
        if not there:
            raise ConfigError(
                "scenario=subclass needs classes with parts: images in FOLDER/train/CLASS/SUBCLASS/*, or "
                "dataset=cifar100_superclasses"
            )
        asked = [part.strip("/") for part in self.parts]
        if not asked:
            raise ConfigError(f"scenario.parts is empty: name at least one of {', '.join(there[:10])}")
        if absent := [part for part in asked if part not in there]:
            hint = suggestion(absent[0], there, "did you mean {}? ")
            raise ConfigError(f"scenario.parts: there is no {absent[0]!r}: {hint}there are {', '.join(there[:10])}")
        of = [{place for place in places[i] if place in asked} for i in train.rows.tolist()]
        if unseen := [part for part in asked if not any(part in own for own in of)]:
            raise ConfigError(f"scenario.parts: {unseen[0]} has no training samples; raise dataset.train_size")
        forgotten = torch.tensor([bool(own) for own in of])
        labels = train.labels.cpu()
        if whole := set(labels[forgotten].tolist()) - set(labels[~forgotten].tolist()):
            name = next(
                part.split("/")[0] for part, label in zip(*_labelled(asked, of, labels), strict=True) if label in whole
            )
            raise ConfigError(
                f"scenario.parts leaves nothing of class {name}: use scenario=class 'scenario.classes=[{name}]'"
            )
        return forgotten.nonzero().squeeze(1)


def _labelled(asked: list[str], of: list[set[str]], labels: torch.Tensor) -> tuple[list[str], list[int]]:
    """The parts that are asked for, and the class of each."""
    return asked, [next(int(labels[i]) for i, own in enumerate(of) if part in own) for part in asked]
