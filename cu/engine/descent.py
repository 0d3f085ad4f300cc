"""A training and all that it needs to go on from where it is, with the same numbers to the last digit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from cu.engine.ledger import Ledger


class Stateful(Protocol):
    """What a loss or a hook changes on its way, such as a queue; a `torch.Generator` is one."""

    def get_state(self) -> Any:
        """All of it, as tensors, numbers, texts, None, and lists and dicts of them."""
        ...

    def set_state(self, state: Any, /) -> Any:
        """Be as it was; tensors come on the CPU."""
        ...


@dataclass(eq=False)
class Descent:
    """A training and how far it is.

    Attributes:
        name: For messages.
        student: What trains.
        optimizer: Of it.
        scheduler: Of the learning rate.
        ledger: Its account is kept too.
        looks: Steps between looks at the student on its way; a state is of no use where they differ.
        others: What the method changes beside the student; None if nobody said, and then nothing can be kept.
        epoch: How many are done.
        batch: How many batches of the next one are done.
        total: Their summed loss.
        done: Whether it has ended.
    """

    name: str
    student: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    ledger: Ledger
    looks: int
    others: tuple[Stateful, ...] | None
    epoch: int = 0
    batch: int = 0
    total: Tensor = field(default_factory=lambda: torch.zeros(()))
    done: bool = False
    _streams: Mapping[str, Tensor] | None = None

    def snapshot(self) -> dict[str, Any]:
        """All that is needed to go on; of a descent that is done, what came of it."""
        going = {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.ledger.hardware.scaler_of(self.optimizer).state_dict(),
            "scheduler": {"last_epoch": self.scheduler.last_epoch},
            "total": self.total.detach().clone(),
        }
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "done": self.done,
            "model": self.student.state_dict(),
            "ledger": self.ledger.state(),
            "looks": self.looks,
            "others": [other.get_state() for other in self.others or ()],
            "streams": streams(self.ledger.hardware.device),
            **({} if self.done else going),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be where the state says; states of earlier versions were taken between epochs."""
        self.student.load_state_dict(state["model"])
        self.ledger.restore(state["ledger"])
        self.epoch, self.batch, self.done = state["epoch"], state.get("batch", 0), state.get("done", False)
        for other, kept in zip(self.others or (), state.get("others", ()), strict=True):
            other.set_state(kept)
        self._streams = state.get("streams")
        if self.done:
            self.resume_streams()
            return
        self.optimizer.load_state_dict(state["optimizer"])
        if scale := state.get("scaler"):
            self.ledger.hardware.scaler_of(self.optimizer).load_state_dict(scale)
        self.scheduler.last_epoch = state["scheduler"]["last_epoch"]
        self.total = state.get("total", self.total).to(self.ledger.hardware.device)

    def resume_streams(self) -> None:
        """Put torch's own random streams back where they were, once; called when what is done has been skipped."""
        if self._streams is None:
            return
        torch.set_rng_state(self._streams["cpu"])
        if "cuda" in self._streams:
            torch.cuda.set_rng_state(self._streams["cuda"], self.ledger.hardware.device)
        self._streams = None


def streams(device: str) -> dict[str, Tensor]:
    """The states of torch's own random streams that layers on a device draw from."""
    found = {"cpu": torch.get_rng_state()}
    return {**found, "cuda": torch.cuda.get_rng_state(device)} if device.startswith("cuda") else found
