"""How the C library keeps memory between steps."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of mallopt's parameters in glibc
KEPT_BLOCK, KEPT_HEAP = 2**28, 2**30


def keep_freed_memory() -> None:
    """Let glibc keep up to 1 GiB of freed memory, in blocks of up to 256 MiB, instead of giving it back at once.

    Every step of a training frees its activations and asks for the same again; memory fresh from the system costs a
    page fault and 4 KiB of zeros for every 4 KiB. Larger blocks go back as ever. Nothing happens elsewhere than with
    glibc, or where the environment (MALLOC_...) says how memory is to be kept.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    with suppress(OSError, AttributeError):  # other C libraries have no such call
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(MMAP_THRESHOLD, KEPT_BLOCK)
        library.mallopt(TRIM_THRESHOLD, KEPT_HEAP)
