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


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one named purpose."""
    import torch

    return torch.Generator().manual_seed(derive_seed(seed, purpose))
