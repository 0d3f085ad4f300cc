"""Jobs as Hydra runs them, alone or in a sweep: how many there will be, and what each says and notes at its end."""

from __future__ import annotations

import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from functools import wraps
from math import prod
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from cu.cli.errors import explain_hydra_error, say
from cu.cli.grid import swept
from cu.cli.planned import asked, show_plan
from cu.cli.plans import MakePlan
from cu.disk import locks
from cu.engine.surroundings import surroundings_kept
from cu.errors import ConfigError, NotMeant, described, first_line
from cu.jobs.job import JobFailed
from cu.jobs.preemption import was_stopped
from cu.jobs.status import EXIT_CODES, JobState
from cu.jobs.sweep_status import forget_notes, note, note_running, tally
from cu.store.plan import Plan
from cu.tracking.beforehand import correct_environment
from cu.tracking.mode import NOTES

Ended = tuple[JobState, Any]


class Sweep(Callback):
    """Remembers, of the sweep that this process started, where it keeps its notes and how many jobs are planned."""

    folder: Path | None = None
    outputs: Path | None = None
    planned: int | None = None
    plan_of: MakePlan | None = None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before a job that is no part of a sweep."""
        use_locks(config)
        if Sweep.plan_of is not None and asked(config):
            sys.exit(show_plan(config, None, Sweep.plan_of))
        os.environ.pop(NOTES, None)
        if tracked(config):
            correct_environment(say)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before the first job."""
        use_locks(config)
        if Sweep.plan_of is not None and asked(config):
            sys.exit(show_plan(config, None if is_grid(config.hydra) else planned_jobs(config.hydra), Sweep.plan_of))
        Sweep.folder = Path(config.hydra.sweep.dir).absolute()
        Sweep.planned = planned_jobs(config.hydra)
        os.environ[NOTES] = str(Sweep.folder)
        forget_notes(Sweep.folder)
        if tracked(config):
            Sweep.outputs = Path(str(config.paths.outputs)).absolute()
            correct_environment(say)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra in the process of each job."""
        use_locks(config)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job."""
        os.environ.pop(NOTES, None)


def use_locks(config: DictConfig) -> None:
    """Choose the kind of locks that the config, which nobody has checked yet, asks for."""
    paths = config.get("paths")
    locks.use(str(paths.get("locks")) if isinstance(paths, DictConfig) else "system")


def tracked(config: DictConfig) -> bool:
    """Whether the config, which nobody has checked yet, asks for W&B."""
    tracking = config.get("tracking")
    return isinstance(tracking, DictConfig) and tracking.get("mode") is not None


def planned_jobs(context: Any) -> int | None:
    """How many jobs a sweep will have; None if that cannot be told beforehand.

    Args:
        context: The `hydra` node of the sweep's config.
    """
    if not is_grid(context):
        return context.sweeper.get("n_trials")
    counts = [len(values) if values else 0 for values in swept(context).values()]
    return prod(counts) or None  # where values cannot be listed the sweeper will complain


def is_grid(context: Any) -> bool:
    """Whether the sweeper is Hydra's basic one, which ignores what its jobs return."""
    return str(context.sweeper._target_).endswith((".BasicSweeper", ".GridSweeper"))


def reads_values(context: Any) -> bool:
    """Whether there is a sweeper that reads what its jobs return, and must hear of those that failed."""
    return context.mode == RunMode.MULTIRUN and not is_grid(context)


def announce(plan: Plan) -> None:
    """Note, in a sweep, which run this job is going to work on.

    Raises:
        ConfigError: The sweeper waits for a number and none is named.
    """
    context = HydraConfig.get()
    if context.mode != RunMode.MULTIRUN:
        return
    if reads_values(context) and getattr(plan.config, "objective", None) is None:
        raise ConfigError("objective must be given, the metric that the sweeper reads, e.g. objective=agg/val_gap")
    note_running(Path(context.sweep.dir), context.job.num, context.overrides.task, plan.folder.path)


def no_job_finished(error: Exception) -> tuple[str, int] | None:
    """One line and the exit code for a sweeper that fails because no job finished; None if that is not why."""
    counts = tally(Sweep.folder, Sweep.planned) if Sweep.folder is not None else Counter()
    if not counts or counts["finished"] or counts["already finished"]:
        return None
    return f"no job finished, so the sweeper has no result ({first_line(error)})", EXIT_CODES["failed"]


def report_failures(job: Callable[[DictConfig], Ended]) -> Callable[[DictConfig], Any]:
    """A job whose failure ends in one line on stderr: the process ends with its exit code, a sweep goes on."""

    @wraps(job)
    def run(cfg: DictConfig) -> Any:
        context = HydraConfig.get()
        in_sweep = context.mode == RunMode.MULTIRUN
        where = f"#{context.job.num} " if in_sweep else ""
        state: JobState = "failed"
        value: Any = None
        reason: str | None = None
        notes = Path(context.sweep.dir).absolute()
        try:
            warn_of_unswept_grid(context)
            with surroundings_kept():
                state, value = job(cfg)
        except JobFailed as error:
            state, reason = error.state, str(error)
            say(f"{state}: {where}{reason}")
        except BaseException as error:
            if was_stopped(error):
                state = "preempted"
                raise
            found = explain_hydra_error(error, str(context.job.config_name), sys.argv[1:])
            if found is None and not in_sweep and isinstance(error, Exception):
                raise
            if found is None:
                traceback.print_exc()
            reason, code = found or (described(error), EXIT_CODES["failed"])
            state = state_after(error, code, in_sweep)
            say(f"{'skipped' if state == 'skipped' else 'error'}: {where}{reason}")
        finally:
            if in_sweep:
                about = {"overrides": list(context.overrides.task), "reason": reason}
                note(notes, context.job.num, state, about)
        if reason is not None and reads_values(context):
            raise JobFailed(state, reason)
        if not in_sweep and EXIT_CODES[state]:
            sys.exit(EXIT_CODES[state])
        return value

    return run


def state_after(error: BaseException, code: int, in_sweep: bool) -> JobState:
    """How a job ended that raised what a user can mend."""
    if code != EXIT_CODES["invalid_config"]:
        return "failed"
    return "skipped" if in_sweep and isinstance(error, NotMeant) else "invalid_config"


def warn_of_unswept_grid(context: Any) -> None:
    """Say so if an experiment brings a grid that Hydra does not sweep."""
    given = {override.split("=")[0].lstrip("+~") for override in context.overrides.task}
    idle = [key for key in context.sweeper.get("params") or {} if key not in given]
    if idle:
        say(f"warning: the grid over {', '.join(idle)} is not swept; add -m, and sweep one experiment per command")
