"""A user's own images, one folder per class."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Le, Lt

from cu.data.datasets.decoding import Source, decoded
from cu.data.datasets.files import reading
from cu.data.datasets.framing import Framing, Interpolation, Resize
from cu.data.datasets.listing import CACHE, Listing, examples, list_images, require_apart, shown, split_folders
from cu.data.datasets.outlook import Outlook
from cu.data.splits import DatasetOptions, Part, image_data, stratified
from cu.data.types import Files, ImageData
from cu.disk.files import write_text
from cu.disk.hash_cache import content_hashes
from cu.errors import ConfigError

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ImageFolder(DatasetOptions):
    """Images in `train/<class>/`, and if there are any, in `val/<class>/` and `test/<class>/`; see `split_folders`.

    A sample id is a position in the list of image files of its split, in the order of torchvision's `ImageFolder`; the
    list is written as `id,file` to a CSV beside the decoded images, in `image_folder` below the root. Files that
    cannot be read have an id, too, but are in no split.

    Attributes:
        folder: Where `train` and the other split folders are; nothing else in it is looked at.
        class_names: The class folders in the order of the model's outputs; None for sorted.
        image_size: Height and width in pixels.
        resize: `cover`, `stretch` or `contain`; see `Framing`, as for the next two.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.
        crop_share: Side of the square as a share of the scaled image's shorter side, where images cover it.
        channels: 3 for colour, 1 for grey.
        test_fraction: Share of the training images that becomes the test set when there is no `test` folder, in
            proportion to the classes; ids of both then count in one list.
        skip_unreadable: Whether files that cannot be read are left out instead of being an error.
        recheck: What tells at a start that nothing has changed: `files`, the size and times of each; or `folders`,
            their times alone, which do not tell that a file was edited in place.
        made_by: The command that makes the folder, for the message where it is missing.
    """

    folder: str
    class_names: list[str] | None
    image_size: Annotated[int, Gt(0)]
    resize: Resize
    interpolation: Interpolation
    crop_share: Annotated[float, Gt(0), Le(1)]
    channels: Literal[1, 3]
    test_fraction: Annotated[float, Gt(0), Lt(1)]
    skip_unreadable: bool
    recheck: Literal["files", "folders"] = "files"
    made_by: str | None = None

    def load(self, root: Path) -> ImageData:
        """Decode the images once; later calls map the result into memory until a file changes.

        Raises:
            ConfigError: A folder is missing or empty, images cannot be read (all are named), or an option does not fit
                the data.
        """
        folder = Path(self.folder).expanduser().absolute()
        listings = {split: list_images(path) for split, path in split_folders(folder).items()}
        class_names = _class_order(listings, self.class_names)
        cache = root / CACHE
        for listing in listings.values():
            require_apart(root, listing.folder, "paths.data")
        with reading(root, CACHE):
            read = {split: self._read(listing, class_names, cache) for split, listing in listings.items()}
            self._judge({s: problems for s, (_, problems) in read.items()}, listings, cache)
        parts = {split: part for split, (part, _) in read.items()}
        if not all(len(part.rows) for part in parts.values()):
            raise ConfigError(f"dataset.folder: none of the images of a split of {folder} can be read")
        train, test = (parts["train"], parts["test"]) if "test" in parts else _cut(parts["train"], self.test_fraction)
        return image_data(self, train, test, class_names, parts.get("val"))

    def outlook(self, root: Path) -> Outlook:
        """How many image files there are; none is opened.

        Raises:
            ConfigError: A folder is missing or empty.
        """
        folder = Path(self.folder).expanduser().absolute()
        listings = {split: list_images(path) for split, path in split_folders(folder).items()}
        sizes = {split: len(listing.names) for split, listing in listings.items()}
        cut = 0 if "test" in sizes else round(self.test_fraction * sizes["train"])
        return Outlook(
            train=sizes["train"] - cut,
            test=sizes.get("test", cut) + sizes.get("val", 0),
            classes=len(_class_order(listings, self.class_names)),
            shape=(self.channels, self.image_size, self.image_size),
        )

    def _framing(self) -> Framing:
        return Framing(
            size=self.image_size,
            channels=self.channels,
            resize=self.resize,
            interpolation=self.interpolation,
            crop_share=self.crop_share,
        )

    def _read(self, listing: Listing, class_names: tuple[str, ...], cache: Path) -> tuple[Part, Mapping[str, str]]:
        """The images of a split folder, and by name what is wrong with others."""
        names = listing.names
        known = {name: own for name, own in zip(names, listing.signatures, strict=True) if own is not None}
        hashes, unreadable = content_hashes(listing.folder, known, cache)
        found = Files(listing.folder, names, tuple(hashes.get(name) for name in names))
        result = decoded(Source(listing.folder, names, found.hashes), self._framing(), cache)
        problems = {**listing.problems, **unreadable, **result.problems}
        number = {name: index for index, name in enumerate(class_names)}
        labels = torch.tensor([number[name.split("/")[0]] for name in names])
        rows = torch.tensor([row for row, name in enumerate(names) if name not in problems], dtype=torch.int64)
        return Part(images=result.images, labels=labels, rows=rows, files=found, parts=parts_of(found.names)), problems

    def _judge(self, problems: Mapping[str, Mapping[str, str]], listings: Mapping[str, Listing], cache: Path) -> None:
        """Name the files that are ignored, and those that cannot be read."""
        ignored = [f"{listings[s].folder.name}/{name}" for s in listings for name in listings[s].ignored]
        if ignored:
            what = "file ignored, no image" if len(ignored) == 1 else "files ignored, no images"
            log.info("%s %s by name or place: %s", f"{len(ignored):,}", what, examples(ignored))
        bad = [f"{listings[s].folder.name}/{name}: {why}" for s, own in problems.items() for name, why in own.items()]
        if not bad:
            return
        count = f"{len(bad):,} file{'s' * (len(bad) > 1)} of {shown(self.folder)}"
        more = ""
        if len(bad) > 3:
            write_text(cache / "unreadable.txt", "".join(f"{shown(line)}\n" for line in bad))
            more = f" (all are listed in {cache / 'unreadable.txt'})"
        if not self.skip_unreadable:
            raise ConfigError(
                f"dataset.folder: {count} cannot be read: {examples(bad)}{more}; replace or remove them, or leave them "
                "out with dataset.skip_unreadable=true"
            )
        log.warning("%s left out, since they cannot be read: %s%s", count, examples(bad), more)


def _class_order(listings: Mapping[str, Listing], asked: list[str] | None) -> tuple[str, ...]:
    """The classes, each with training images, in the order asked for."""
    train = listings["train"]
    names = train.class_names
    if len(names) < 2:
        raise ConfigError(f"dataset.folder: {train.folder} has {len(names)} class folder(s), but needs at least 2")
    for listing in listings.values():
        if unknown := [name for name in listing.class_names if name not in names]:
            raise ConfigError(f"dataset.folder: {listing.folder / unknown[0]} is no class of the training images")
        if not listing.names:
            raise ConfigError(f"dataset.folder: {listing.folder} holds no images")
    if empty := sorted(set(names) - {name.split("/")[0] for name in train.names}):
        raise ConfigError(f"dataset.folder: {train.folder / empty[0]} holds no images")
    if asked is None:
        return names
    if len(set(asked)) < len(asked):
        raise ConfigError("dataset.class_names names a class twice")
    if wrong := sorted(set(asked) ^ set(names)):
        what = "is no class folder" if wrong[0] in asked else "is missing"
        raise ConfigError(f"dataset.class_names: {wrong[0]!r} {what}; the folders are {', '.join(names)}")
    return tuple(asked)


def _cut(part: Part, fraction: float) -> tuple[Part, Part]:
    test = stratified(part.labels[part.rows], fraction)
    if not 0 < int(test.sum()) < len(test):
        raise ConfigError(
            f"dataset.test_fraction={fraction} of {len(test)} images leaves {int(test.sum())} for testing: "
            f"use a share that leaves images on both sides"
        )
    return replace(part, rows=part.rows[~test]), replace(part, rows=part.rows[test])


def parts_of(names: Sequence[str]) -> tuple[tuple[str, ...], ...] | None:
    """The subfolders of its class that each file is in, as `class/sub`, `class/sub/subsub`; None if none is in any."""
    if not any(name.count("/") > 1 for name in names):
        return None
    folders = (name.split("/")[:-1] for name in names)
    return tuple(tuple("/".join(own[:depth]) for depth in range(2, len(own) + 1)) for own in folders)
