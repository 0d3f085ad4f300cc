"""How far long work is: a bar for whoever watches a terminal, and lines with an estimate in the log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

log = logging.getLogger(__name__)
QUIET_SECONDS = 20.0


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[str], None]]:
    """A bar of `total` steps; the yielded function advances it by one and may show a short text."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as bar:
        task = bar.add_task(description, total=total, note="")

        def advance(note: str) -> None:
            bar.update(task, advance=1, note=note or bar.tasks[task].fields["note"])

        yield advance


def eta_log(name: str, total: int, clock: Callable[[], float] = perf_counter) -> Callable[[], None]:
    """A function to be called after each of `total` pieces of work; it logs a line at most every 20 seconds."""
    last, said = clock(), clock()
    took: list[float] = []

    def finished() -> None:
        nonlocal last, said
        now = clock()
        took.append(now - last)
        last = now
        if now - said < QUIET_SECONDS:
            return
        # Pieces found in the store take no time, those still to come may.
        made = [seconds for seconds in took if seconds >= max(took) / 10]
        left = sum(made) / len(made) * (total - len(took))
        log.info("%s: %d of %d done, about %s left", name, len(took), total, duration(left))
        said = now

    return finished


def duration(seconds: float) -> str:
    """A rough time in words: `40 s`, `7 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
