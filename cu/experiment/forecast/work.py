"""How much a training and a scoring of a network is: operations and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from cu.config.build import build
from cu.config.component import Component
from cu.config.schema import TrainConfig
from cu.data.datasets.outlook import Outlook
from cu.engine.passes import Flops, flops_per_image
from cu.store.fingerprint import fingerprint

NUMBERS = 16  # bytes of a label and an id, for each sample


@dataclass(frozen=True)
class Network:
    """What one image and one copy of a network take.

    Attributes:
        flops: Operations of one image.
        weights: Bytes of a file of weights.
        row: Bytes that the outputs of one sample take on disk.
    """

    flops: Flops
    weights: int
    row: int


@dataclass(frozen=True)
class Load:
    """What the models of a job are trained and scored on.

    Attributes:
        trained: Training samples; who is forgotten is counted, too.
        scored: Samples of all splits.
        epochs: Of the recipe.
        network: One of them.
    """

    trained: int
    scored: int
    epochs: int
    network: Network

    @property
    def epoch(self) -> float:
        """Operations of one pass over the training set, forwards and backwards."""
        return float(self.trained * sum(self.network.flops))

    @property
    def training(self) -> float:
        """Operations of training one model by the recipe."""
        return self.epochs * self.epoch

    @property
    def scoring(self) -> float:
        """Operations of one look at all samples."""
        return float(self.scored * self.network.flops.forward)

    @property
    def outputs(self) -> int:
        """Bytes of one model's outputs."""
        return self.scored * self.network.row


def outlook_of(config: TrainConfig) -> Outlook | None:
    """What the data set says of itself without being read; None if it does not."""
    look = getattr(build(config.dataset), "outlook", None)
    return None if look is None else look(config.paths.data)


def load_of(config: TrainConfig, outlook: Outlook) -> Load:
    """What models of this config are trained and scored on."""
    train = min(outlook.train, config.dataset.get("train_size") or outlook.train)
    test = min(outlook.test, config.dataset.get("test_size") or outlook.test)
    held_out = round(train * float(config.dataset.get("val_fraction") or 0))
    network = network_of(_Named(config.network), outlook.classes, outlook.shape)
    return Load(train - held_out, train + test, int(config.recipe.get("epochs", 1)), network)


class _Named:
    """A network's settings, hashable."""

    def __init__(self, component: Component) -> None:
        self.component, self.name = component, fingerprint(component.node)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Named) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


@lru_cache(maxsize=64)
def network_of(settings: _Named, classes: int, shape: tuple[int, int, int]) -> Network:
    """Build the network once and look at one image that is black."""
    state = torch.get_rng_state()
    try:
        model = build(settings.component).build(classes, shape).eval()
    finally:
        torch.set_rng_state(state)
    with torch.no_grad():
        output = model(torch.zeros(1, *shape))
    weights = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    row = 4 * output.logits.shape[1] + 2 * output.embedding.shape[1] + NUMBERS
    if output.features is not None and output.features is not output.embedding:
        row += 2 * output.features.shape[1]
    return Network(flops_per_image(model, shape), weights, row)


def missing_files(outlook: Outlook | None) -> tuple[Path, ...]:
    """Files of the data set that are not there."""
    return () if outlook is None else outlook.missing
