"""Compute something once and keep it in a file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from cu.disk.files import Damaged

log = logging.getLogger(__name__)
T = TypeVar("T")


def cached(load: Callable[[], T | None], compute: Callable[[], T], save: Callable[[T], None]) -> T:
    """What `load` finds; where that is None or damaged, what `compute` returns, after `save` has kept it."""
    try:
        known = load()
    except Damaged as error:
        log.warning("%s: computed again", error)
        known = None
    if known is None:
        known = compute()
        save(known)
    return known
