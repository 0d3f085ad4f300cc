"""Seconds of work on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from cu.engine.hardware import Hardware


@dataclass(eq=False)
class Clock:
    """A stop watch that waits for the device before it reads the time.

    Attributes:
        hardware: Where the work happens.
        clock: Seconds from any start.
        seconds: Measured so far.
    """

    hardware: Hardware
    clock: Callable[[], float] = perf_counter
    seconds: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure what happens inside."""
        self.hardware.synchronize()
        start = self.clock()
        try:
            yield
        finally:
            self.hardware.synchronize()
            self.seconds += self.clock() - start
