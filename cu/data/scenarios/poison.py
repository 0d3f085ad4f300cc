"""Forget images that were poisoned: whatever the model learnt of their noise, it can have from nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Gt

from cu.data.scenarios.kind import ScenarioKind
from cu.data.scenarios.types import Scenario
from cu.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from cu.data.types import ImageData, Split


@dataclass(frozen=True, kw_only=True)
class PoisonScenario(Scenario):
    """Gaussian data poisoning: add noise to random training images, train on them, forget them.

    Labels stay right. Pawelczyk et al., "Machine Unlearning Fails to Remove Data Poisoning Attacks", ICLR 2025, arXiv
    2406.17216.

    Attributes:
        count: How many images.
        epsilon: Standard deviation of the noise of each pixel, which is in [0, 1].
    """

    kind: ClassVar[ScenarioKind] = "sample"
    changes_training: ClassVar[bool] = True

    count: Annotated[int, Gt(0)]
    epsilon: Annotated[float, Gt(0)]

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> torch.Tensor:
        """Sorted int64 positions in `train`, drawn without replacement.

        Raises:
            ConfigError: `count` leaves nothing to retain.
        """
        import torch

        if self.count >= len(train):
            raise ConfigError(f"scenario.count={self.count} of {len(train)} training samples: leave some to retain")
        return torch.randperm(len(train), generator=generator)[: self.count].sort().values

    def prepare(self, data: ImageData, generator: torch.Generator) -> ImageData:
        """The data set in which the selected training images have noise, rounded and cut to what an image can hold.

        Args:
            data: As loaded.
            generator: In the state in which `select` is given it afterwards.
        """
        import torch

        from cu.data.types import Poisoning

        train = data.train
        chosen = self.select(train, data.num_classes, generator).to(train.rows.device)
        rows = train.rows[chosen]
        clean = train.images[rows]
        noise = torch.randn(clean.shape, generator=generator).mul(self.epsilon)
        images = train.images.clone()
        images[rows] = (clean + 255 * noise.to(clean.device)).round().clamp(0, 255).to(images.dtype)
        poisoning = Poisoning(clean=train.subset(chosen), noise=noise, epsilon=self.epsilon)
        return replace(data, train=replace(train, images=images), poisoning=poisoning)
