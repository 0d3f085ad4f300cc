"""Figures in a page: the drawing, or, where there are more methods than it shows, parts whose reader chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cu.reporting.render.page.inline import Inline, inline
from cu.reporting.render.page.types import Chooseable, ModelShown, Picture

HALF = 320  # CSS pixels: two parts that are no wider stand side by side


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A figure with its markup.

    Attributes:
        picture: The figure.
        inline: The drawing; null where there are parts.
        parts: What to see, or to hide, one by one.
        keys: Models that have lines, each with its line.
    """

    picture: Picture
    inline: Inline | None = None
    parts: tuple[Inline, ...] = ()
    keys: tuple[tuple[ModelShown, Inline], ...] = ()

    @property
    def wide(self) -> bool:
        """Whether it takes the width of the page."""
        return self.inline is not None and self.inline.width > 1.7 * self.inline.height

    @property
    def halves(self) -> bool:
        """Whether two parts stand side by side."""
        return len(self.parts) > 1 and self.parts[-1].width <= HALF


def shown(picture: Picture, prefix: str) -> Shown:
    """A figure with its markup; `prefix` is put before every id in it.

    Raises:
        ValueError: An SVG does not say how large it is.
    """
    choice = picture.choice
    if choice is None:
        return Shown(picture=picture, inline=inline(picture.svg, prefix, picture.alt))
    later = {model.key for model in choice.models if not model.first}
    parts = (
        inline(part.svg, f"{prefix}{i}-", part.alt, part.key if len(choice.parts) > 1 else None, later)
        for i, part in enumerate(choice.parts, 1)
    )
    return Shown(picture=picture, parts=tuple(parts), keys=_keys(choice, prefix))


def _keys(choice: Chooseable, prefix: str) -> tuple[tuple[ModelShown, Inline], ...]:
    return tuple((m, inline(m.swatch, f"{prefix}key-{m.key}-", "")) for m in choice.models if m.swatch)


def chooser(pictures: Sequence[Shown]) -> list[ModelShown]:
    """Whom some figures let the reader choose, each once, in order."""
    found = {model.key: model for own in pictures if own.picture.choice for model in own.picture.choice.models}
    return sorted(found.values(), key=_place)


def hiding_rules(pictures: Sequence[Shown]) -> str:
    """A style sheet that hides whom a section's boxes do not tick; it needs no script."""
    keys = [model.key for model in chooser(pictures)]
    return "".join(
        f'section:has(.methods input[value="{key}"]:not(:checked)) [data-model="{key}"] {{ display: none; }}\n'
        for key in keys
    )


def _place(model: ModelShown) -> float:
    """The original, then rows by their place in the table, then the retrained models."""
    return int(model.key) if model.key.isdigit() else 0 if model.key == "original" else float("inf")
