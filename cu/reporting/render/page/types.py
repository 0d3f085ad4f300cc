"""What the page asks of a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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
