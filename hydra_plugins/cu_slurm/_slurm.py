"""Submit the jobs of a sweep, or attach to them, and hear how each ends from its own file or from the queue."""

from __future__ import annotations

import logging
import shlex
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from cu.disk.files import write_json
from cu.disk.locks import locked
from cu.errors import ConfigError
from cu.jobs.sweep_status import read_note
from hydra_plugins.cu_gathering._carried import carry
from hydra_plugins.cu_gathering._gather import Ending, sweep_folder
from hydra_plugins.cu_gathering._job import Job, Shared
from hydra_plugins.cu_slurm._attach import Place, Records
from hydra_plugins.cu_slurm._endings import why
from hydra_plugins.cu_slurm._queue import OVER, Entry, NoAnswer, largest_number, queue, require_possible, submit
from hydra_plugins.cu_slurm._settings import Settings

log = logging.getLogger(__name__)
SECONDS_TO_APPEAR = 20.0  # until a file of another machine is seen here
START = (
    "import json, sys; from pathlib import Path; file, number, restarts = sys.argv[1:]; "
    "path, jobs = json.loads(Path(file).read_text()); sys.path[:] = path; "
    "from hydra_plugins.cu_slurm._task import main; "
    "main(Path(file).parent, jobs[number], int(number), int(restarts))"
)


class Slurm:
    """An engine: an array of Slurm jobs."""

    def __init__(self, settings: Settings, shared: Shared) -> None:
        self.settings, self.shared = settings, shared
        self.folder = sweep_folder(shared)
        self.places: dict[int, Place] = {}
        self.began: dict[int, float] = {}
        self.unheard: dict[int, float] = {}
        self.said: str | None = None
        self.pause = 1.0

    def begin(self, jobs: Sequence[Job]) -> str:
        """Submit what does not wait or run already.

        Raises:
            ConfigError: Slurm could never run it.
        """
        require_possible(self.settings)
        records = Records(self.folder, self.shared)
        records.folder.mkdir(parents=True, exist_ok=True)
        self.pause = 1.0
        with locked(records.folder / ".lock", "another command submits"):
            try:
                alive = {name for name, entry in queue().items() if entry.state not in OVER}
                attached = [place for job in jobs if (place := records.find(job, dict.fromkeys(alive)))]
                known = {place.job.number for place in attached}
                fresh = self.submit([job for job in jobs if job.number not in known])
            except NoAnswer as error:
                raise ConfigError(f"Slurm does not take the jobs: {error}") from error
            for place in fresh:
                records.keep(place)
        self.places = {place.job.number: place for place in (*attached, *fresh)}
        arrays = sorted({place.array for place in fresh}, key=int)
        words = [f"{len(fresh)} submitted to Slurm as {', '.join(arrays)}"] if fresh else []
        return ", ".join(words + ([f"{len(attached)} wait or run under Slurm already"] if attached else []))

    def submit(self, jobs: Sequence[Job]) -> list[Place]:
        """Submit jobs as an array in which each has the number that it has in the sweep.

        Raises:
            ConfigError: The cluster takes no array of so many.
            NoAnswer: Slurm does not take it.
        """
        if not jobs:
            return []
        if jobs[-1].number > (last := largest_number()):
            raise ConfigError(f"this cluster takes arrays of {last + 1} jobs (MaxArraySize); sweep over fewer at once")
        carry(self.folder, self.shared)
        file = self.folder / f"array-{jobs[0].number}.json"
        write_json(file, [sys.path, {job.number: job.overrides for job in jobs}])
        line = shlex.join([sys.executable, "-c", START, str(file)])
        array = submit(
            [
                *self.settings.request(),
                f"--array={','.join(str(job.number) for job in jobs)}%{self.settings.array_parallelism}",
                f"--job-name={self.shared[1].hydra.job.name}",
                f"--output={self.folder / '%a.log'}",
            ],
            f'#!/bin/bash\nexec {line} "$SLURM_ARRAY_TASK_ID" {self.settings.max_num_timeout}\n',
        )
        return [Place(job, array, self.folder, job.number) for job in jobs]

    def ended(self) -> Iterator[Ending]:
        """Look for returns, and at the queue for those that will send none."""
        time.sleep(self.pause)
        self.pause = min(self.settings.poll_seconds, self.pause * 1.5)
        try:
            entries = queue()
        except NoAnswer as error:
            self.say(f"Slurm does not answer ({error}); it is asked again")
            return
        for number, place in list(self.places.items()):
            entry = entries.get(place.name)
            if entry is not None and entry.state == "RUNNING":
                self.began.setdefault(number, time.monotonic())
            if (ending := self.look(place, entry)) is not None:
                del self.places[number]
                yield ending
        self.tell_of_waiting(entries)

    def look(self, place: Place, entry: Entry | None) -> Ending | None:
        """How a job ended; None if it has not, as far as one knows."""
        number = place.job.number
        if place.returned.exists():
            self.adopt_note(place)
            return Ending(place.job, place.returned.read_bytes(), began=self.began.get(number))
        if entry is not None and entry.state not in OVER:
            self.unheard.pop(number, None)
            return None
        if entry is None or entry.state == "COMPLETED":  # what it wrote may not be seen here yet
            since = self.unheard.setdefault(number, time.monotonic())
            if time.monotonic() - since < SECONDS_TO_APPEAR:
                return None
        self.adopt_note(place)
        state, reason = why(entry, self.settings, place.job.log)
        return Ending(place.job, reason=reason, state=state, began=self.began.get(number))

    def adopt_note(self, place: Place) -> None:
        """Take over the note of a job that another sweep submitted."""
        if place.folder != self.folder and (found := read_note(place.folder, place.number)):
            write_json(self.folder / f"{place.job.number}.json", found)

    def tell_of_waiting(self, entries: Mapping[str, Entry]) -> None:
        """One line while nothing runs, again when the reasons are others."""
        states = [entries[place.name] for place in self.places.values() if place.name in entries]
        waiting = Counter(entry.reason for entry in states if entry.state == "PENDING")
        del waiting["None"]  # Slurm has not looked at it yet
        if waiting and all(entry.state == "PENDING" for entry in states):
            reasons = ", ".join(sorted(waiting))
            self.say(f"all {waiting.total()} jobs wait in Slurm's queue ({reasons})")

    def say(self, line: str) -> None:
        """One line, unless it was the last one said here."""
        if line != self.said:
            log.info("%s", line)
        self.said = line

    def stop(self, tell: Callable[[Ending], None]) -> None:
        """Leave what waits or runs to Slurm, and say how to end it."""
        tasks: dict[str, list[int]] = defaultdict(list)
        for place in self.places.values():
            tasks[place.array].append(place.number)
        if tasks:
            names = " ".join(f"'{array}_[{','.join(map(str, numbers))}]'" for array, numbers in tasks.items())
            again = "type the command again to attach, or end them: scancel"
            log.info("%d jobs stay with Slurm; %s %s", len(self.places), again, names)
