"""How many models an audit trains besides those of its run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Further:
    """Counts of models.

    Attributes:
        retrained: Retrained models, the run's references among them.
        originals: Originals of the ordinary kind, the run's own among them.
        others: Models trained on other choices of samples.
        unlearned: Times that the run's method is applied again.
    """

    retrained: int = 0
    originals: int = 1
    others: int = 0
    unlearned: int = 0
