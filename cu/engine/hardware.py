"""What a job computes on: device, precision, memory layout, threads."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from annotated_types import Gt, Le
from torch import nn

from cu.config.processes import processes
from cu.data.batches.shuffled import Placement
from cu.engine.layout import placed
from cu.engine.precision import available_cores, resolve_precision, usable_threads
from cu.errors import ConfigError

MOST_THREADS = 1024  # libraries crash when they cannot have as many as they are told


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Hardware settings; `auto` and None are resolved to what this machine has by `resolved`.

    Attributes:
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: Of training: `auto` (bf16 where there are bf16 matrix units), `fp32` or `bf16`.
        scoring_precision: Of every reported prediction.
        channels_last: Memory layout of images and convolutions; faster on CPUs and tensor cores.
        num_threads: CPU threads of torch; None for one per core, or OMP_NUM_THREADS if set. It changes last digits.
        deterministic: Whether cuDNN may only use repeatable algorithms.
    """

    device: str
    precision: Literal["auto", "fp32", "bf16"]
    scoring_precision: Literal["fp32", "bf16"]
    channels_last: bool
    num_threads: Annotated[int, Gt(0), Le(MOST_THREADS)] | None
    deterministic: bool

    def resolved(self) -> Hardware:
        """The same settings with `auto` and None replaced by what is used here."""
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        device = own_gpu(device)
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).split("\n")[0]
            raise ConfigError(f"hardware.device={device!r} cannot be used here ({reason}); try auto or cpu") from error
        return Hardware(
            device=device,
            precision=resolve_precision(self.precision, device),
            scoring_precision=self.scoring_precision,
            channels_last=self.channels_last,
            num_threads=self.num_threads or usable_threads(),
            deterministic=self.deterministic,
        )

    def activate(self) -> None:
        """Set the process-wide switches: threads and repeatable algorithms."""
        torch.set_num_threads(self.num_threads or usable_threads())
        torch.backends.cudnn.deterministic = self.deterministic
        torch.backends.cudnn.benchmark = not self.deterministic

    @property
    def placement(self) -> Placement:
        """Where batches go."""
        return Placement(torch.device(self.device), self.channels_last)

    def place(self, model: nn.Module) -> Any:
        """The model itself, moved to the device in the wanted layout."""
        return placed(model, self.device, self.channels_last)

    def training_precision(self) -> AbstractContextManager[Any]:
        """Autocast to bf16 if training runs in it."""
        return self._autocast(self.precision)

    def scoring(self) -> AbstractContextManager[Any]:
        """Autocast to bf16 if scoring runs in it."""
        return self._autocast(self.scoring_precision)

    def _autocast(self, precision: str) -> AbstractContextManager[Any]:
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=precision == "bf16")

    def synchronize(self) -> None:
        """Wait for the device, so that a clock read next is true."""
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)
        elif self.device.startswith("mps"):
            torch.mps.synchronize()

    def describe(self) -> dict[str, Any]:
        """What a reader of a record needs to know about the machine."""
        cuda = self.device.startswith("cuda")
        return {
            "device": self.device,
            "device_name": torch.cuda.get_device_name(self.device) if cuda else cpu_name(),
            "precision": self.precision,
            "num_threads": torch.get_num_threads(),
            "cores": available_cores(),
            "platform": platform.platform(),
        }


def own_gpu(device: str) -> str:
    """The device `cuda` of one of several processes on a machine: the GPU of its number.

    Raises:
        ConfigError: There are fewer GPUs than processes.
    """
    own = processes()
    if own.count == 1 or device != "cuda":
        return device
    if own.local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"process {own.local_rank} of this machine has no GPU: there are {torch.cuda.device_count()}; "
            "start one process per GPU, or set hardware.device=cpu"
        )
    return f"cuda:{own.local_rank}"


def cpu_name() -> str:
    """The processor's name where the system tells it, else its architecture."""
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
