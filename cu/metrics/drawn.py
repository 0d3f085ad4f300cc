"""A number and what must be known to read it: the spread of the metric's own draws, and a note."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Drawn(float):
    """A number like any other; who averages or stores it must keep what it carries.

    Attributes:
        std: Standard deviation that the number itself would have, were it computed again from other draws (rows an
            attack is trained on, folds): that of single draws over the square root of their number. 0 if nothing is
            drawn.
        note: What limits its reading, in a few words for the reader of a table; empty if nothing does.
    """

    std: float
    note: str

    def __new__(cls, value: float, std: float = 0.0, note: str = "") -> Drawn:
        """The number with its spread and its note."""
        number = super().__new__(cls, value)
        number.std, number.note = float(std), note
        return number

    def __getnewargs__(self) -> tuple[float, float, str]:
        """What a copy is made of."""
        return float(self), self.std, self.note


def averaged(draws: int, draw: Callable[[int], Mapping[str, float]]) -> dict[str, float]:
    """Mean of each value over independent draws, with its spread.

    Args:
        draws: How many; 1 where nothing is random.
        draw: Values by key of the draw of a number, which names the random generators it takes from the case: all
            models see the same draws.

    Returns:
        By key: a `Drawn`, NaN where any draw is; of a single draw the numbers as they are.
    """
    found = [draw(number) for number in range(draws)]
    if draws == 1:
        return dict(found[0])
    return {key: drawn([values[key] for values in found]) for key in found[0]}


def drawn(values: Sequence[float] | NDArray[np.float64]) -> Drawn:
    """The mean of at least two independent draws with its standard error."""
    numbers = np.asarray(values, dtype=np.float64)
    if np.isnan(numbers).any():
        return Drawn(float("nan"), note=noted(*values))
    return Drawn(float(numbers.mean()), float(numbers.std(ddof=1) / np.sqrt(len(numbers))), noted(*values))


def noted(*values: float) -> str:
    """The note of the first of some numbers that has one."""
    return next((note for value in values if (note := getattr(value, "note", ""))), "")


def packed(values: Any) -> Any:
    """Nested mappings of values as JSON can hold them: a drawn one as `{"mean": ..., "std": ..., "note": ...}`."""
    if isinstance(values, Mapping):
        return {key: packed(value) for key, value in values.items()}
    if not isinstance(values, Drawn):
        return values
    return {"mean": float(values), "std": values.std, "note": values.note}


def unpacked(values: Any) -> Any:
    """What was packed; missing numbers stay None unless a note says why."""
    if not isinstance(values, Mapping):
        return values
    if values.keys() == {"mean", "std", "note"}:
        mean, std, note = values["mean"], values["std"], values["note"]
        return None if mean is None and not note else Drawn(float("nan") if mean is None else mean, std or 0.0, note)
    return {key: unpacked(value) for key, value in values.items()}
