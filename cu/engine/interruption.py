"""Where descents that may be killed are kept, and when."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

from cu.engine import team
from cu.engine.descent import Descent

log = logging.getLogger(__name__)


class Checkpoint(Protocol):
    """Where an interruptible descent keeps its state."""

    def load(self) -> dict[str, Any] | None:
        """The last saved state, or None."""
        ...

    def save(self, state: dict[str, Any]) -> None:
        """Keep a state; a kill during the call leaves the previous one."""
        ...


@dataclass(eq=False)
class Descents:
    """Where all descents of one piece of work are kept, such as those of a method that trains several times.

    They are numbered in the order they begin. A work that is done again comes to the same ones: those that were done
    are not done again, and the one that was not goes on.

    Attributes:
        at: The checkpoint of a descent, by its number from 0.
        every: Seconds between saves.
        clock: Seconds from any start.
    """

    at: Callable[[int], Checkpoint]
    every: float
    clock: Callable[[], float] = perf_counter
    _begun: int = 0
    _last: float = 0.0
    _ended: tuple[Checkpoint, dict[str, Any]] | None = None

    def begin(self, descent: Descent) -> Kept:
        """A descent begins, or goes on where it was."""
        if self._ended is not None:  # the next one needs what came of it
            checkpoint, state = self._ended
            if team.leads():
                checkpoint.save(state)
            self._ended = None
        kept = Kept(self, descent, self.at(self._begun))
        self._begun += 1
        self._last = self.clock()
        if descent.others is not None:
            state = team.shared(kept.checkpoint.load)
            if state is not None and state.get("looks", descent.looks) == descent.looks:
                descent.restore(state)
                kept.ended_before = descent.done
        return kept

    def due(self) -> bool:
        """Whether it is time to save; asked for the next time from then on."""
        now = self.clock()
        if now - self._last < self.every:
            return False
        self._last = now
        return True

    def hold(self, checkpoint: Checkpoint, state: dict[str, Any]) -> None:
        """Remember what came of a descent until another one begins, if one does."""
        self._ended = checkpoint, {**state, "model": {k: v.clone() for k, v in state["model"].items()}}


@dataclass(eq=False)
class Kept:
    """A descent and its checkpoint, which may say that it ended before."""

    owner: Descents
    descent: Descent
    checkpoint: Checkpoint
    ended_before: bool = False
    _told: bool = False

    def look(self) -> None:
        """Save if it is time; off the clock."""
        if not team.leads() or not self.owner.due():
            return
        if self.descent.others is None:
            if not self._told:
                log.warning(
                    "%s keeps no checkpoint: its method does not say what it changes on the way (`state` of `fit`); "
                    "killed, it starts again",
                    self.descent.name,
                )
            self._told = True
            return
        with self.descent.ledger.paused():
            self.checkpoint.save(self.descent.snapshot())

    def end(self) -> None:
        """The descent is done."""
        self.descent.done = True
        if self.descent.others is not None and not self.ended_before:
            with self.descent.ledger.paused():
                self.owner.hold(self.checkpoint, self.descent.snapshot())
