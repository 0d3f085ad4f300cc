"""Every random stream has a name; no two purposes share one, and none depends on what ran before it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one named purpose, e.g. `derive_seed(0, "batches/retain/3")`."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def member_seed(seed: int, group: str, number: int) -> int:
    """The training seed of one of many models that belong to a run, e.g. `member_seed(0, "reference", 2)`.

    Counting on from the run's seed would hand the same models to several runs: those of seeds 0 and 1 with three
    references each would share two, and no test over runs could take them for independent. Numbers drawn by hash meet
    neither each other nor the small seeds that people type. A number still names the model in the store: all runs that
    agree in seed, group and number share it, whatever their method. 52 bits survive every reader of JSON.
    """
    return derive_seed(seed, f"{group}/{number}") >> 11


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one named purpose."""
    import torch

    return torch.Generator().manual_seed(derive_seed(seed, purpose))
