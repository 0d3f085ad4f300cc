"""What data looks like everywhere in `cu`: a split, a data set, an unlearning task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from cu.data.placement import Placement
from cu.data.scenarios.kind import ScenarioKind
from cu.data.transforms import Draws, Transform


@dataclass(frozen=True, eq=False)
class Files:
    """The files behind images, in the order of the images.

    Attributes:
        folder: Of the split, absolute.
        names: Relative to the folder of the split, with forward slashes: `class/.../file`.
        hashes: SHA-256 of each content; None for a file that cannot be read, whose image is in no split.
    """

    folder: Path
    names: tuple[str, ...]
    hashes: tuple[str | None, ...]


@dataclass(frozen=True, eq=False)
class Split:
    """A named list of labelled images; images are shared with every other split cut from the same files.

    Attributes:
        name: What the samples are for: `train`, `retain`, `forget`, `val`, `test` or `test_forget`.
        images: uint8 [M, C, H, W], in memory or a memory map; M >= N.
        rows: int64 [N], the rows of `images` that belong to this split.
        labels: int64 [N], in [0, num_classes).
        ids: int64 [N], stable sample ids: the position in the data set's own file order.
        transform: How uint8 images become the float input of a model.
        files: Of all `images`, by id; None where the data set is no folder of images.
        parts: Of all `images`, by id: the parts of its class that each belongs to, as `class/part`; None where the
            data set has none.
    """

    name: str
    images: Tensor
    rows: Tensor
    labels: Tensor
    ids: Tensor
    transform: Transform
    files: Files | None = None
    parts: tuple[tuple[str, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, positions: Tensor, name: str | None = None) -> Split:
        """The samples at `positions` (int64 or bool [N]), in that order, without copying an image."""
        return replace(
            self,
            name=name or self.name,
            rows=self.rows[positions],
            labels=self.labels[positions],
            ids=self.ids[positions],
        )

    def relabelled(self, labels: Tensor) -> Split:
        """The same images under other labels; the split itself keeps its own."""
        if labels.shape != self.labels.shape:
            raise ValueError(f"expected {tuple(self.labels.shape)} labels, got {tuple(labels.shape)}")
        return replace(self, labels=labels.to(self.labels))

    def augmented(self, augment: bool) -> Split:
        """The same samples with augmentation of their training views switched on or off."""
        return replace(self, transform=replace(self.transform, augment=augment))

    def pick(self, positions: Tensor, generator: torch.Generator | None, placement: Placement) -> Picked:
        """What views at `positions` (int64 [B]) are made of: augmented as `generator` draws, or plain ones if None."""
        height, width = self.images.shape[2:]
        draws = self.transform.draw(len(positions), (height, width), generator) if generator else Draws()
        return Picked(placement.gathered(self.images, self.rows[positions]), draws, self.transform, placement)

    def train_view(self, positions: Tensor, generator: torch.Generator, placement: Placement | None = None) -> Tensor:
        """Augmented float32 images [B, C, H, W] at `positions`: what methods train on."""
        return self.pick(positions, generator, placement or self._here()).view()

    def eval_view(self, positions: Tensor, placement: Placement | None = None) -> Tensor:
        """Plain normalised float32 images [B, C, H, W] at `positions`: what metrics see."""
        return self.pick(positions, None, placement or self._here()).view()

    def _here(self) -> Placement:
        return Placement(self.images.device, channels_last=False)


@dataclass(frozen=True, eq=False)
class Picked:
    """A batch on its way: gathered pixels, not yet transformed.

    Attributes:
        images: uint8 [B, C, H, W].
        draws: What chance decided of them.
        transform: How they become the float input of a model.
        placement: Where.
    """

    images: Tensor
    draws: Draws
    transform: Transform
    placement: Placement

    def view(self) -> Tensor:
        """Float32 images [B, C, H, W], made on the device and in its layout."""
        images = self.images.to(self.placement.device, non_blocking=True)
        return self.transform.view(images, self.draws, self.placement.channels_last)


@dataclass(frozen=True, eq=False)
class Poisoning:
    """Noise that some training images were given.

    Attributes:
        clean: The samples as they were before.
        noise: float32 [N, C, H, W] of independent normal numbers on the CPU, for pixels in [0, 1]; images hold it only
            as far as they can.
        epsilon: Its standard deviation.
    """

    clean: Split
    noise: Tensor
    epsilon: float


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set as loaded.

    Attributes:
        train: Training samples.
        val: Held out of them before any training.
        test: Test samples.
        class_names: By index.
        confused_classes: The two classes between which some training labels were swapped on purpose; else empty.
        poisoning: The noise that some training images were given on purpose; else None.
        removed: Training samples that earlier requests removed, and that are in no other split; None without any.
    """

    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]
    confused_classes: tuple[int, ...] = ()
    poisoning: Poisoning | None = None
    removed: Split | None = None

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


@dataclass(frozen=True, eq=False)
class UnlearningTask:
    """What to forget and what to keep; all that a method may know about the data.

    Attributes:
        retain: Training samples to keep.
        forget: Training samples to forget.
        val: Held-out samples no model was trained on; may be empty.
        test: Test samples of every class.
        test_forget: Test samples of the forgotten classes; empty in sample scenarios.
        num_classes: Number of outputs of the model; forgetting a class does not shrink it.
        scenario: `class` when whole classes go, `sample` otherwise.
        forget_classes: The forgotten classes in `class` scenarios, else empty.
    """

    retain: Split
    forget: Split
    val: Split
    test: Split
    test_forget: Split
    num_classes: int
    scenario: ScenarioKind
    forget_classes: tuple[int, ...]

    def of_forget_classes(self, split: Split) -> Split:
        """The samples of `split` whose label is a forgotten class."""
        return split.subset(torch.isin(split.labels, torch.tensor(self.forget_classes, device=split.labels.device)))
