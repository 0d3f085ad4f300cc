"""What a piece of work cost: seconds on a clock that can be paused, samples by split, steps, memory."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch

from cu.engine.hardware import Hardware


@dataclass(eq=False)
class Ledger:
    """A running account. Evaluation, checkpoints and logging happen off the clock."""

    hardware: Hardware
    clock: Any = perf_counter
    seconds: dict[str, float] = field(default_factory=lambda: {"unlearn": 0.0, "prep": 0.0})
    samples: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    _since: float | None = None
    _account: str = "unlearn"

    def saw(self, counts: Mapping[str, int]) -> None:
        """Note one optimizer step on these samples by split name."""
        self.steps += 1
        self.samples.update(counts)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the clock while inside, and watch the peak of memory."""
        reset_peak_memory(self.hardware)
        self._start()
        try:
            yield
        finally:
            self._stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock while inside, if it runs."""
        was_running = self._since is not None
        self._stop()
        try:
            yield
        finally:
            if was_running:
                self._start()

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Book the time inside as preparation (saliency masks, Fisher information, adversarial examples)."""
        before, was_running = self._account, self._since is not None
        self._stop()
        self._account = "prep"
        self._start()
        try:
            yield
        finally:
            self._stop()
            self._account = before
            if was_running:
                self._start()

    def _start(self) -> None:
        self.hardware.synchronize()
        self._since = self.clock()

    def _stop(self) -> None:
        if self._since is not None:
            self.hardware.synchronize()
            self.seconds[self._account] += self.clock() - self._since
            self._since = None

    def cost(self) -> dict[str, float]:
        """The account as numbers: seconds, samples, steps, peak memory in MB."""
        return {
            "unlearn_seconds": self.seconds["unlearn"],
            "prep_seconds": self.seconds["prep"],
            "samples_seen_forget": self.samples["forget"],
            "samples_seen_retain": self.samples["retain"] + self.samples["train"],
            "steps": self.steps,
            "peak_mem_mb": peak_memory_mb(self.hardware),
        }

    def credit(self, cost: Mapping[str, Any]) -> None:
        """Book the cost of work that was done elsewhere, such as a model that is already trained."""
        self.seconds["unlearn"] += cost["unlearn_seconds"]
        self.seconds["prep"] += cost["prep_seconds"]
        self.samples.update({"forget": cost["samples_seen_forget"], "retain": cost["samples_seen_retain"]})
        self.steps += cost["steps"]

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold to continue the account."""
        now = self.seconds[self._account] + (self.clock() - self._since if self._since is not None else 0.0)
        return {
            "seconds": {**self.seconds, self._account: now},
            "samples": dict(self.samples),
            "steps": self.steps,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the account of an interrupted training."""
        self.seconds.update(state["seconds"])
        self.samples = Counter(state["samples"])
        self.steps = state["steps"]


def reset_peak_memory(hardware: Hardware) -> None:
    """Forget the peak so far, where the system allows it."""
    if hardware.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(hardware.device)
    elif sys.platform == "linux":
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        except OSError:  # some containers forbid it; the peak is then that of the whole process
            return


def peak_memory_mb(hardware: Hardware) -> float:
    """Peak memory in MB: of the CUDA allocator, else of the process."""
    if hardware.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(hardware.device) / 2**20
    if sys.platform == "linux":
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024
