"""A value that depends on random draws of the metric's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Drawn(float):
    """A mean over random draws, such as the rows an attack is trained on, and how far such means scatter.

    It is a number like any other; who averages or stores it must keep `std`.

    Attributes:
        std: Standard deviation that the number itself would have, were it computed again from other draws: that of
            single draws over the square root of their number.
    """

    std: float

    def __new__(cls, value: float, std: float) -> Drawn:
        """The number with its spread."""
        number = super().__new__(cls, value)
        number.std = float(std)
        return number

    def __getnewargs__(self) -> tuple[float, float]:
        """What a copy is made of."""
        return float(self), self.std


def packed(values: Any) -> Any:
    """Nested mappings of values as JSON can hold them: a drawn one as `{"mean": ..., "std": ...}`."""
    if isinstance(values, Mapping):
        return {key: packed(value) for key, value in values.items()}
    return {"mean": float(values), "std": values.std} if isinstance(values, Drawn) else values


def unpacked(values: Any) -> Any:
    """What was packed; missing numbers stay None."""
    if not isinstance(values, Mapping):
        return values
    if values.keys() == {"mean", "std"}:
        return None if values["mean"] is None else Drawn(values["mean"], values["std"] or 0.0)
    return {key: unpacked(value) for key, value in values.items()}
