"""Which precision this machine trains in, told without importing torch unless a GPU is there to ask."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def available_cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_threads() -> int:
    """CPU threads a process should use if nobody says otherwise: its cores, or fewer if OMP_NUM_THREADS says so."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]  # one number per nesting level
    return min(available_cores(), int(asked)) if asked.isdigit() and int(asked) else available_cores()


def resolve_precision(precision: str, device: str) -> Precision:
    """`auto` becomes bf16 where there are bf16 matrix units (CUDA 8.0+, AMX, AVX512-BF16), fp16 on CUDA 7.x, else fp32.

    What is no precision at all becomes fp32, and is refused where settings are checked.
    """
    if precision != "auto":
        fits: dict[str, Precision] = {known: known for known in PRECISIONS}
        return fits.get(precision, "fp32")
    if device.startswith("cuda") or (device == "auto" and Path("/dev/nvidiactl").exists()):
        import torch

        if torch.cuda.is_available():
            capability = torch.cuda.get_device_capability()[0]
            return "bf16" if capability >= 8 else "fp16" if capability == 7 else "fp32"
    return "bf16" if device in ("auto", "cpu") and cpu_flags() & {"amx_bf16", "avx512_bf16"} else "fp32"


def cpu_flags() -> frozenset[str]:
    """Feature flags of the first core; empty where the system does not list them."""
    try:
        with open("/proc/cpuinfo") as lines:
            return frozenset(next((line.split(":", 1)[1] for line in lines if line.startswith("flags")), "").split())
    except OSError:
        return frozenset()
