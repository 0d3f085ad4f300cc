"""What a job computes on: device, precision, memory layout, threads."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from annotated_types import Gt, Le
from torch import nn
from torch.amp.grad_scaler import GradScaler

from cu.config.processes import processes
from cu.data.placement import Placement
from cu.data.types import ImageData
from cu.engine.allocation import keep_freed_memory
from cu.engine.compiling import compiled, require_compiler
from cu.engine.layout import placed
from cu.engine.precision import Precision, available_cores, resolve_precision, usable_threads
from cu.engine.residence import Home, at_home
from cu.engine.scaling import scaler_of
from cu.errors import ConfigError
from cu.models.types import Classifier

AHEAD = 2  # batches gathered while a device computes
MOST_THREADS = 1024  # libraries crash when they cannot have as many as they are told


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Hardware settings; `auto` and None are resolved to what this machine has by `resolved`.

    Attributes:
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: Of training: `auto` (bf16 where there are bf16 matrix units, fp16 on CUDA 7.x), `fp32`, `tf32`,
            `bf16`, or `fp16`, whose loss is scaled. `fp32` is never rounded to TF32 on the way.
        scoring_precision: Of every reported prediction.
        channels_last: Memory layout of images and convolutions; faster on CPUs and tensor cores.
        num_threads: CPU threads of torch; None for one per core, or OMP_NUM_THREADS if set. It changes last digits.
        deterministic: Whether cuDNN may only use repeatable algorithms.
        data: Where uint8 images live: `auto` (on a CUDA device if they take at most half of its free memory),
            `device`, or `host`, where a thread gathers batches ahead. Numbers do not depend on it.
        compile: Whether encoders are compiled while they are trained; it changes last digits.
    """

    device: str
    precision: Literal["auto"] | Precision
    scoring_precision: Precision
    channels_last: bool
    num_threads: Annotated[int, Gt(0), Le(MOST_THREADS)] | None
    deterministic: bool
    data: Home = "auto"
    compile: bool = False

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
        if "tf32" in (self.precision, self.scoring_precision) and not device.startswith("cuda"):
            raise ConfigError(f"tf32 is a precision of CUDA devices, and hardware.device is {device}; use fp32")
        if self.compile:
            require_compiler(device)
        return replace(
            self,
            device=device,
            precision=resolve_precision(self.precision, device),
            num_threads=self.num_threads or usable_threads(),
        )

    def activate(self) -> None:
        """Set the process-wide switches: threads, repeatable algorithms, TF32, what happens to freed memory."""
        torch.set_num_threads(self.num_threads or usable_threads())
        torch.backends.cudnn.deterministic = self.deterministic
        torch.backends.cudnn.benchmark = not self.deterministic
        allow_tf32(self.precision == "tf32")
        if self.device == "cpu":
            keep_freed_memory()

    @property
    def placement(self) -> Placement:
        """Where batches go."""
        return Placement(torch.device(self.device), self.channels_last, ahead=0 if self.device == "cpu" else AHEAD)

    def at_home(self, data: ImageData) -> ImageData:
        """The data set with its images where `data` says."""
        return at_home(data, self.device, self.data)

    def place(self, model: nn.Module) -> Any:
        """The model itself, moved to the device in the wanted layout."""
        return placed(model, self.device, self.channels_last)

    def compiled(self, model: Classifier) -> Classifier:
        """The model itself, its encoder compiled if it is to be."""
        return compiled(model) if self.compile else model

    def scaler_of(self, optimizer: torch.optim.Optimizer) -> GradScaler:
        """What scales the loss of an optimizer's steps; it does nothing but in fp16."""
        return scaler_of(optimizer, self.device, self.precision)

    def training_precision(self) -> AbstractContextManager[Any]:
        """Autocast to bf16 or fp16 if training runs in it."""
        return self._autocast(self.precision)

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """Autocast to bf16 or fp16 if scoring runs in it, and TF32 only if it says so."""
        before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        allow_tf32(self.scoring_precision == "tf32")
        try:
            with self._autocast(self.scoring_precision):
                yield
        finally:
            torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before

    def _autocast(self, precision: str) -> AbstractContextManager[Any]:
        half = torch.float16 if precision == "fp16" else torch.bfloat16
        return torch.autocast(torch.device(self.device).type, half, enabled=precision in ("bf16", "fp16"))

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


def allow_tf32(allowed: bool) -> None:
    """Whether CUDA may round the factors of float32 products to TF32, in convolutions and in matrices alike."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed


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
