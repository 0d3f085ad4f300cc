"""How fast this machine works: as measured by earlier trainings, or as a stated guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from cu.engine.hardware import Hardware, cpu_name
from cu.store.fingerprint import canonical

# Operations per second that trainings of small images get; to be replaced by what was measured as soon as there is any.
GUESS = {"cpu": 2e10, "cuda": 1e13, "mps": 1e12}


@dataclass(frozen=True)
class Speed:
    """Operations per second, and where the number comes from."""

    rate: float
    source: str


@dataclass(frozen=True)
class MeasuredSpeeds:
    """What the trainings below an outputs folder took on the device at hand.

    Attributes:
        outputs: The folder.
        hardware: Resolved.
        told: Operations per second that the user names; None to look.
    """

    outputs: Path
    hardware: Hardware
    told: float | None = None

    @cached_property
    def records(self) -> list[tuple[Any, float]]:
        """Network and operations per second of each training on this device with as many threads."""
        found = []
        for path in sorted(self.outputs.glob("models/*/model.json")):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                cost, machine = record["cost"], record["machine"]
                if self._here(machine) and cost["flops"] > 0 and cost["unlearn_seconds"] > 0:
                    found.append((record["identity"]["model"], cost["flops"] / cost["unlearn_seconds"]))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def _here(self, machine: Mapping[str, Any]) -> bool:
        kind = self.hardware.device.split(":")[0]
        if machine["device"].split(":")[0] != kind:
            return False
        if kind != "cpu":
            return machine["device_name"] == self.hardware.describe()["device_name"]
        return machine["device_name"] == cpu_name() and machine["num_threads"] == self.hardware.num_threads

    def of(self, network: Any) -> Speed:
        """The speed of training a network: the median of the same one's trainings, of all trainings, or a guess."""
        if self.told is not None:
            return Speed(self.told, "as plan= says")
        wanted = canonical(network.without("checkpoint", "checkpoint_key"))
        same = [rate for model, rate in self.records if model == wanted]
        if same:
            return Speed(median(same), f"measured by {len(same)} earlier training{'s' * (len(same) > 1)}")
        if self.records:
            rates = [rate for _, rate in self.records]
            return Speed(median(rates), f"measured by {len(rates)} earlier training{'s' * (len(rates) > 1)} of others")
        kind = self.hardware.device.split(":")[0]
        threads = (self.hardware.num_threads or 1) if kind == "cpu" else 1
        return Speed(GUESS.get(kind, GUESS["cuda"]) * threads, "a guess, nothing was trained here yet")
