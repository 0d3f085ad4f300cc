"""What belongs to the whole process: the current folder, the permissions of new files, the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def surroundings_kept() -> Iterator[None]:
    """Put the current folder, the umask and the environment back at the end, whatever was done to them inside."""
    folder, mask, environment = os.getcwd(), os.umask(0), dict(os.environ)
    os.umask(mask)  # it can only be read by setting it
    try:
        yield
    finally:
        os.umask(mask)
        if os.environ != environment:
            os.environ.clear()
            os.environ.update(environment)
        os.chdir(folder)
