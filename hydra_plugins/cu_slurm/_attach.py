"""Which Slurm job does which job of a sweep, so that a command that is typed again finds what still runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from cu.disk.files import Damaged, read_mapping, write_json
from hydra_plugins.cu_gathering._job import Job, Shared

FOLDER = ".slurm"  # beside the sweeps' own folders


@dataclass(frozen=True)
class Place:
    """Where a job of a sweep is done.

    Attributes:
        job: The job as this sweep numbers it, with the log of the one that is done.
        array: Number of the Slurm array.
        folder: Of the sweep that submitted it.
        number: The job's number in that sweep and in the array.
    """

    job: Job
    array: str
    folder: Path
    number: int

    @property
    def name(self) -> str:
        """As Slurm calls it."""
        return f"{self.array}_{self.number}"

    @property
    def returned(self) -> Path:
        """The file that holds what the job returned, once it has."""
        return self.folder / f"{self.number}.return"


class Records:
    """One small file per job that was ever submitted from a folder of sweeps."""

    def __init__(self, sweep: Path, shared: Shared) -> None:
        self.folder = sweep.parent / FOLDER
        self.common = common(shared)

    def path(self, job: Job) -> Path:
        """Where a job's record is: jobs are the same if their settings and all files of configs are."""
        words = json.dumps([self.common, *job.overrides])
        return self.folder / f"{hashlib.sha256(words.encode()).hexdigest()[:20]}.json"

    def keep(self, place: Place) -> None:
        """Record where a job is done."""
        about = {"array": place.array, "folder": str(place.folder), "number": place.number}
        write_json(self.path(place.job), about)

    def find(self, job: Job, alive: Mapping[str, Any]) -> Place | None:
        """Where the same job waits or runs already; None if it does not.

        Args:
            job: Of this sweep.
            alive: Slurm's names of jobs that wait or run.
        """
        try:
            found = read_mapping(self.path(job))
        except Damaged:
            return None
        if found is None or f"{found['array']}_{found['number']}" not in alive:
            return None
        folder, number = Path(found["folder"]), found["number"]
        done = Job(job.number, job.overrides, folder / f"{number}.log")
        return Place(done, found["array"], folder, number)


def common(shared: Shared) -> str:
    """What all jobs of a command share that can change what they do."""
    _, config, task = shared
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    folders = [source.path for source in config.hydra.runtime.config_sources if source.schema == "file"]
    digest = hashlib.sha256()
    for file in sorted(path for folder in folders for path in Path(folder).rglob("*.yaml")):
        digest.update(file.read_bytes())
    words = [os.getcwd(), task.__module__, task.__qualname__, OmegaConf.to_yaml(own), digest.hexdigest()]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()
