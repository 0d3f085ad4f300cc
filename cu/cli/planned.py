"""`plan=true`: what a run or a sweep would do, said instead of doing it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from cu.cli.errors import explain_hydra_error, say
from cu.cli.grid import swept
from cu.cli.plans import MakePlan
from cu.errors import ConfigError, NotMeant

UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def asked(config: Any) -> bool:
    """Whether the config asks for the plan instead of the work."""
    return config.get("plan", False) not in (False, None)


def configs(master: DictConfig, jobs: int | None) -> Iterator[tuple[DictConfig, int]]:
    """The config of each job, and how many jobs are like it.

    Args:
        master: The composed config of a run or a sweep.
        jobs: How many a sweeper will start that chooses settings on its way; None for a grid, or a single run.
    """
    if master.hydra.mode.name == "RUN":
        yield master, 1
        return
    loader = GlobalHydra.instance().config_loader()
    words = [values for values in swept(master.hydra, params=jobs is None).values() if values is not None]
    for overrides in product(*(values for values in words if jobs is None or len(values) == 1)):
        yield loader.load_sweep_config(master, list(overrides)), jobs or 1


def show_plan(master: DictConfig, jobs: int | None, make: MakePlan) -> int:
    """Print the plan; returns the exit code: 2 if no job could be done.

    Args:
        master: The composed config.
        jobs: As in `configs`.
        make: The plan of one job.
    """
    from cu.jobs.job import require_possible

    command = str(master.hydra.job.config_name)
    plans, wrong, unfit = [], Counter(), 0
    for config, count in configs(master, jobs):
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        try:
            plan = make(config)
            require_possible(plan)
            plans.append((plan, count))
        except NotMeant:
            unfit += count
        except Exception as error:
            found = explain_hydra_error(error, command, sys.argv[1:])
            if found is None:
                raise
            wrong[found[0]] += count
    from cu.experiment.forecast.forecast import forecast

    try:
        told = forecast(plans)
    except ConfigError as error:
        say(f"error: {error}")
        return 2
    for line in lines(told, unfit) if plans or unfit else []:
        print(line)
    for reason, count in wrong.items():
        say(f"error: {count} jobs: {reason}" if count > 1 else f"error: {reason}")
    return 2 if wrong else 0


def lines(told: Any, unfit: int) -> list[str]:
    """A forecast in lines.

    Args:
        told: A `Forecast`.
        unfit: Jobs whose method is not meant for their scenario.
    """
    about = [f"{told.finished} finished"] * bool(told.finished) + [f"{told.todo} to do"]
    about += [f"{unfit} skipped, their method is not meant for the scenario"] * bool(unfit)
    kinds = Counter(one.kind for one in told.trainings)
    there = Counter(one.kind for one in told.trainings if one.there)
    shared = [f"{count} {kind} ({there[kind]} there)" for kind, count in kinds.items()]
    found = [
        "Plan: nothing is done and nothing is written",
        f"Jobs       {told.finished + told.todo + unfit}: {', '.join(about)}",
        f"Trainings  {sum(kinds.values())}, each done once: {', '.join(shared)}" if kinds else "Trainings  none",
        *data_lines(told.missing),
    ]
    return found + time_lines(told) + [f"Disk       about {size(told.bytes)} more"]


def data_lines(missing: Mapping[str, Any]) -> list[str]:
    """What is said of data that is not there."""
    if not missing:
        return ["Data       all there"]
    return [
        f"Data       {name}: {len(files)} files are missing, such as {files[0]}; "
        + ("they would be downloaded" if download else "dataset.download=false, so its jobs would fail")
        for name, (files, download) in missing.items()
    ]


def time_lines(told: Any) -> list[str]:
    """What is said of time, and by which rule."""
    total = sum(told.seconds.values())
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in told.seconds.items() if seconds)
    found = [f"Time       about {duration(total)} on one {told.device or 'device'}" + (f": {parts}" if parts else "")]
    for speed in dict.fromkeys(told.speeds.values()):
        names = ", ".join(name for name, own in told.speeds.items() if own == speed)
        found.append(f"           {names}: {speed[0]:.1e} operations per second, {speed[1]}")
    if told.speeds:
        found.append("           methods count as the epochs that their settings name, or as one")
    for suite in sorted(told.unmeasured):
        found.append(f"           without the metrics of evaluation={suite}, which no run here has timed yet")
    for name in sorted(told.unknown):
        found.append(f"           without dataset={name}, which does not say its size before it is read")
    return found


def duration(seconds: float) -> str:
    """Two digits of a time, in a unit that suits it."""
    unit, name = next(((unit, name) for unit, name in UNITS if seconds >= 2 * unit), UNITS[-1])
    return f"{float(f'{seconds / unit:.2g}'):g} {name}"


def size(count: int) -> str:
    """Two digits of a number of bytes."""
    unit, name = next(((10**power, name) for power, name in ((9, "GB"), (6, "MB")) if count >= 10**power), (1000, "kB"))
    return f"{float(f'{count / unit:.2g}'):g} {name}"
