"""What a tracker is: a run being mirrored somewhere. JSON on disk stays the record; the mirror may be off or down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class RunLabel:
    """How a run is called: its id (fingerprint and attempt), name, group, job type and tags."""

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]


class Tracker(Protocol):
    """A run being mirrored."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Mirror one row of the trajectory."""
        ...

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Mirror the result."""
        ...

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Mirror a table; cells are numbers, texts or None."""
        ...

    def image(self, name: str, file: Path, caption: str) -> None:
        """Mirror a picture."""
        ...

    def page(self, name: str, file: Path) -> None:
        """Mirror an HTML page."""
        ...

    def close(self, exit_code: int) -> None:
        """End the run with the job's exit code."""
        ...


class Untracked:
    """Mirrors nothing."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Drop the row."""

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Drop the result."""

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Drop the table."""

    def image(self, name: str, file: Path, caption: str) -> None:
        """Drop the picture."""

    def page(self, name: str, file: Path) -> None:
        """Drop the page."""

    def close(self, exit_code: int) -> None:
        """There is nothing to close."""


@dataclass(frozen=True, kw_only=True)
class NoTracking:
    """`tracking=none`."""

    def open(self, label: RunLabel, folder: Path, config: Mapping[str, Any]) -> Tracker:
        """A tracker that mirrors nothing."""
        return Untracked()
