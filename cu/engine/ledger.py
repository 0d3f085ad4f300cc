"""What a piece of work cost: seconds on a clock that can be paused, samples, passes, steps, memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from cu.engine.hardware import Hardware
from cu.engine.memory import peak_memory_mb, reset_peak_memory
from cu.engine.passes import counting

Log = Callable[[Mapping[str, float], int], None]
_running: ContextVar[Ledger | None] = ContextVar("running", default=None)


@dataclass(eq=False)
class Ledger:
    """A running account. Evaluation, checkpoints and logging happen off the clock.

    Attributes:
        hardware: Where the work happens.
        clock: Seconds from any start.
        seconds: Measured so far, by account.
        samples: Read so far, by split: those of optimizer steps, of preparation, and of looks at the accuracy.
        steps: Of an optimizer.
        forward: Images that went through a model while the clock ran.
        backward: Images whose gradients went back.
        peak_mb: The most memory that was in use at once, over what was there when the clock first started.
    """

    hardware: Hardware
    clock: Any = perf_counter
    seconds: dict[str, float] = field(default_factory=lambda: {"unlearn": 0.0, "prep": 0.0})
    samples: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    forward: int = 0
    backward: int = 0
    peak_mb: float = 0.0
    _since: float | None = None
    _account: str = "unlearn"

    def saw(self, counts: Mapping[str, int]) -> None:
        """Note one optimizer step on these samples by split name."""
        self.steps += 1
        self.samples.update(counts)

    def off_the_clock(self, log: Log) -> Log:
        """A log whose writing nobody pays for, wherever it is called from."""

        def write(values: Mapping[str, float], step: int) -> None:
            with self.paused():
                log(values, step)

        return write

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the clock while inside, count passes, and watch the peak of memory."""
        reset_peak_memory(self.hardware)
        before, token = peak_memory_mb(self.hardware), _running.set(self)
        try:
            with counting(self._passed):
                self._start()
                try:
                    yield
                finally:
                    self._stop()
        finally:
            _running.reset(token)
            self.peak_mb = max(self.peak_mb, peak_memory_mb(self.hardware) - before)

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

    def _passed(self, images: int, backward: bool) -> None:
        if self._since is not None:
            self.forward += images
            self.backward += images if backward else 0

    def _start(self) -> None:
        self.hardware.synchronize()
        self._since = self.clock()

    def _stop(self) -> None:
        if self._since is not None:
            self.hardware.synchronize()
            self.seconds[self._account] += self.clock() - self._since
            self._since = None

    def cost(self) -> dict[str, float]:
        """The account as numbers: seconds, samples, passes, steps, peak memory in MB.

        What is not of the forget set counts as retained: also the whole training set at once, held-out images, noise.
        """
        return {
            "unlearn_seconds": self.seconds["unlearn"],
            "prep_seconds": self.seconds["prep"],
            "samples_seen_forget": self.samples["forget"],
            "samples_seen_retain": sum(n for name, n in self.samples.items() if name != "forget"),
            "steps": self.steps,
            "forward_images": self.forward,
            "backward_images": self.backward,
            "peak_mem_mb": self.peak_mb,
        }

    def credit(self, cost: Mapping[str, Any]) -> None:
        """Book the cost of work that was done elsewhere, such as a model that is already trained."""
        self.seconds["unlearn"] += cost["unlearn_seconds"]
        self.seconds["prep"] += cost["prep_seconds"]
        self.samples.update({"forget": cost["samples_seen_forget"], "retain": cost["samples_seen_retain"]})
        self.steps += cost["steps"]
        self.forward += cost["forward_images"]
        self.backward += cost["backward_images"]
        self.peak_mb = max(self.peak_mb, cost["peak_mem_mb"])

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold to continue the account."""
        now = self.seconds[self._account] + (self.clock() - self._since if self._since is not None else 0.0)
        return {
            "seconds": {**self.seconds, self._account: now},
            "samples": dict(self.samples),
            "steps": self.steps,
            "passes": [self.forward, self.backward],
            "peak_mb": self.peak_mb,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the account of an interrupted training."""
        self.seconds.update(state["seconds"])
        self.samples = Counter(state["samples"])
        self.steps = state["steps"]
        self.forward, self.backward = state["passes"]
        self.peak_mb = state["peak_mb"]


def visited(split: str, samples: int) -> None:
    """Note that so many samples of a split are read without an optimizer step, on the account that runs, if one does.

    Fisher information, saliency masks, scores and the like read data through functions that know no account.
    """
    if (ledger := _on_the_clock()) is not None:
        ledger.samples[split] += samples


def went_back(images: int) -> None:
    """Note a backward pass of so many images beyond the one that each recorded forward pass stands for."""
    if (ledger := _on_the_clock()) is not None:
        ledger.backward += images


def _on_the_clock() -> Ledger | None:
    ledger = _running.get()
    return ledger if ledger is not None and ledger._since is not None else None
