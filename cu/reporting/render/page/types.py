"""What the page asks of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class ModelShown(Protocol):
    """A model whom the reader may choose to see; `swatch` is an SVG of its line, or empty."""

    @property
    def key(self) -> str:
        """The same in all figures of a table."""
        ...

    @property
    def label(self) -> str:
        """What it is called."""
        ...

    @property
    def first(self) -> bool:
        """Whether it is shown before anybody chooses."""
        ...

    @property
    def swatch(self) -> str:
        """An SVG of its line; empty where panels have its name."""
        ...


class PartShown(Protocol):
    """A drawing of one model, or, where `key` is empty, of all, in which `model-<key>` is the id of what is whose."""

    @property
    def key(self) -> str:
        """The model's, or empty."""
        ...

    @property
    def alt(self) -> str:
        """What it shows, for those who cannot see it."""
        ...

    @property
    def svg(self) -> str:
        """A whole SVG document."""
        ...


class Chooseable(Protocol):
    """A figure in parts, whose reader chooses the models."""

    @property
    def models(self) -> Sequence[ModelShown]:
        """Whom there is to choose from, in order."""
        ...

    @property
    def parts(self) -> Sequence[PartShown]:
        """What is drawn, in order."""
        ...

    @property
    def note(self) -> str:
        """Whom it does not offer, in a sentence; empty if it offers all."""
        ...


class Picture(Protocol):
    """A figure, as far as the page shows it; `table` is the title of the table it belongs to."""

    @property
    def name(self) -> str:
        """Stem of its files below `figures/`."""
        ...

    @property
    def table(self) -> str:
        """Title of the table it belongs to."""
        ...

    @property
    def title(self) -> str:
        """One line."""
        ...

    @property
    def caption(self) -> str:
        """What is to be seen, and what it was made from."""
        ...

    @property
    def alt(self) -> str:
        """The same for those who cannot see it."""
        ...

    @property
    def svg(self) -> str:
        """The picture: a whole SVG document."""
        ...

    @property
    def choice(self) -> Chooseable | None:
        """The same with more models than it has room for, or None."""
        ...


@dataclass(frozen=True, kw_only=True)
class Link:
    """A page beside the report's own.

    Attributes:
        title: What it is about.
        place: Of the file, from the report's folder, with forward slashes.
        note: What it says, in a line.
    """

    title: str
    place: str
    note: str
