"""Which precision this machine trains in, told without importing torch unless a GPU is there to ask."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Precision = Literal["fp32", "bf16"]


def available_cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_threads() -> int:
    """CPU threads a process should use if nobody says otherwise: its cores, or fewer if OMP_NUM_THREADS says so."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]  # one number per nesting level
    return min(available_cores(), int(asked)) if asked.isdigit() and int(asked) else available_cores()


def resolve_precision(precision: str, device: str) -> Precision:
    """`auto` becomes bf16 where there are bf16 matrix units (CUDA 8.0+, AMX or AVX512-BF16), else fp32."""
    if precision != "auto":
        return "bf16" if precision == "bf16" else "fp32"
    if device.startswith("cuda") or (device == "auto" and Path("/dev/nvidiactl").exists()):
        import torch

        if torch.cuda.is_available():
            return "bf16" if torch.cuda.get_device_capability()[0] >= 8 else "fp32"
    return "bf16" if device in ("auto", "cpu") and cpu_flags() & {"amx_bf16", "avx512_bf16"} else "fp32"


def cpu_flags() -> frozenset[str]:
    """Feature flags of the first core; empty where the system does not list them."""
    try:
        with open("/proc/cpuinfo") as lines:
            return frozenset(next((line.split(":", 1)[1] for line in lines if line.startswith("flags")), "").split())
    except OSError:
        return frozenset()
