"""What attacks that learn from retained samples share: who they learn from, who they are tested on, and chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from cu.metrics.case import Case
from cu.metrics.drawn import Drawn
from cu.metrics.predictions import Integers

# One-sided level at which an attack has to be better than a coin.
LEVEL = 0.05


class Halves(NamedTuple):
    """Disjoint rows of members and of others; as many of one as of the other, or the larger side wins everywhere.

    Attributes:
        known: Members the attack learns from.
        held_out: As many other members.
        known_others: Non-members it learns from.
        held_out_others: As many other non-members.
    """

    known: Integers
    held_out: Integers
    known_others: Integers
    held_out_others: Integers


def halves(members: int, others: int, most: int, generator: np.random.Generator) -> Halves:
    """Random halves of `members` and of `others` samples, at most `most` rows in each."""
    first, second = generator.permutation(members), generator.permutation(others)
    size = min(members // 2, others // 2, most)
    return Halves(first[:size], first[size : 2 * size], second[:size], second[size : 2 * size])


def draw_halves(case: Case, purpose: str, sides: tuple[int, int], most: int, draws: int) -> list[Halves]:
    """Independent `halves`, the same for every model that is judged."""
    return [halves(*sides, most, case.generator(f"{purpose}/{number}")) for number in range(draws)]


def held_out_samples(rows: Sequence[Halves]) -> int:
    """How many different samples are held out in at least one draw."""
    return sum(len(np.unique(np.concatenate([getattr(r, side) for r in rows]))) for side in Halves._fields[1::2])


def above_chance(accuracy: float, samples: int) -> bool:
    """Whether a balanced accuracy on so many samples exceeds 0.5 by more than its binomial error (one-sided 5 %)."""
    return samples > 0 and accuracy > 0.5 - ndtri(LEVEL) * 0.5 / np.sqrt(samples)


def unless_at_chance(value: float, accuracy: float, samples: int) -> float:
    """The value of an attack that works; NaN with a reason for one no better than a coin on held-out samples."""
    if above_chance(accuracy, samples) or np.isnan(accuracy):
        return value
    return Drawn(float("nan"), note=f"attack at chance: held-out accuracy {accuracy:.3f} on {samples} samples")
