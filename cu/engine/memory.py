"""How much memory a piece of work adds to what was there before it."""

from __future__ import annotations

import ctypes
import resource
import sys
from contextlib import suppress

import torch

from cu.engine.hardware import Hardware


def reset_peak_memory(hardware: Hardware) -> None:
    """Forget the peak so far, and give freed memory back, where the system allows it.

    Memory that an earlier job freed and the process kept would hide what the next one takes.
    """
    if hardware.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(hardware.device)
    elif sys.platform == "linux":
        with suppress(OSError, AttributeError):  # other C libraries have no such call
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        with suppress(OSError), open("/proc/self/clear_refs", "w") as file:  # some containers forbid it
            file.write("5")


def peak_memory_mb(hardware: Hardware) -> float:
    """Peak memory in MB since it was last forgotten: of the CUDA allocator, else of the process."""
    if hardware.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(hardware.device) / 2**20
    if sys.platform == "linux":
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024
