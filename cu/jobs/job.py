"""One job, from its plan to its last status, however it ends."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from cu.config.settings import NONE
from cu.disk.files import remove_leftovers
from cu.errors import ConfigError, described, first_line
from cu.jobs.meeting import meet, tell
from cu.jobs.preemption import Preempted, preemptible, was_stopped
from cu.jobs.run_log import run_log, warn_of_damage
from cu.jobs.status import EXIT_CODES, JobState
from cu.store.fingerprint import fingerprint
from cu.store.plan import NAMED, Plan, R, RunPlan
from cu.store.result import FILE, write_result
from cu.store.runs import RunState
from cu.tracking.flat import flattened
from cu.tracking.types import RunLabel, Tracker

log = logging.getLogger("cu")
tracebacks = logging.getLogger("cu.traceback")
LEFT_SECONDS = 3600.0  # after which a temporary file has no writer any more
LEFT_BEHIND = ("predictions.npz", "cost.json", "model.safetensors", "model.json", "unlearned.json")


class JobFailed(RuntimeError):
    """A job ended early and its status says so; the message says why and where to read more."""

    def __init__(self, state: JobState, reason: str, log: Path | None = None) -> None:
        super().__init__(state, reason, log)  # all of them, or it cannot be pickled
        self.state: JobState = state
        self.reason, self.log = reason, log

    def __str__(self) -> str:
        where = "" if self.log is None else f" [{self.log}]"
        return " ".join(self.reason.split()) + where


def work(plan: Plan[Any, R]) -> tuple[JobState, R]:
    """Do the planned job unless it is done; keep its status, mirror it, and write its result.

    Raises:
        ConfigError: The user asked for something that cannot be.
        JobFailed: Anything else went wrong.
    """
    meet()
    if (earlier := settled(plan)) is not None:
        tell(False)
        mirror_again(plan, earlier[1])
        return earlier
    with preemptible():
        require_possible(plan)
        require_writable(plan.config.paths.outputs)
        with plan.folder.locked():
            if (earlier := settled(plan)) is not None:
                tell(False)
                return earlier
            warn_of_damage(plan.folder.path / FILE)
            remove_leftovers(plan.folder.path, LEFT_SECONDS, time.time())
            with run_log(plan.folder.path):
                return "finished", recorded(plan)


def require_possible(plan: Plan) -> None:
    """Check everything that can be told before any data is read.

    Raises:
        ConfigError: A setting is wrong, or two of them contradict each other.
    """
    from cu.config.build import build, check_components
    from cu.config.contradictions import require_consistent
    from cu.experiment.requirements import check_requirements

    check_components(plan.config)
    require_consistent(build(plan.config.recipe), "recipe")
    if isinstance(plan, RunPlan):
        check_requirements(plan.config, plan.names)


def settled(plan: Plan[Any, R]) -> tuple[JobState, R] | None:
    """The earlier result, if there is one and it may be kept."""
    if plan.config.resume == "rerun" or (result := plan.finished()) is None:
        return None
    if plan.config.resume == "error":
        raise ConfigError(f"resume=error, and {plan.folder.path} is finished; use resume=skip or resume=rerun")
    plan.folder.mend_config(plan.written)
    log.info("already finished: %s", plan.folder.path)
    return "already finished", result


def mirror_again(plan: Plan[Any, R], result: R) -> None:
    """Mirror a result that is known to a W&B sweep that asks for it once more."""
    from cu.tracking.mode import awaited

    if not awaited():
        return
    with plan.folder.locked():
        tracker = mirror(plan, int(plan.folder.status().get("attempt", 1)))
        tracker.summarize(flattened(result))
        tracker.close(EXIT_CODES["finished"])


def recorded(plan: Plan[Any, R]) -> R:
    """Do the job between `running` and its final status."""
    from cu.engine.fit import Diverged

    folder = plan.folder
    if plan.config.resume == "rerun":
        for name in LEFT_BEHIND:
            (folder.path / name).unlink(missing_ok=True)
        folder.remove_states()
    try:
        return done(plan, folder.begin())
    except Diverged as error:
        folder.remove_states()  # it would diverge again
        end(plan, "diverged", str(error))
        raise JobFailed("diverged", str(error), folder.path / "run.log") from error
    except ConfigError as error:
        end(plan, "failed", str(error), mistake=True)
        raise
    except BaseException as error:
        if was_stopped(error):
            if folder.status().get("state") != "finished":  # it may have come while W&B was closing
                end(plan, "preempted", None)
            raise
        reason = described(error)
        tracebacks.exception("%s", folder.path)
        end(plan, "failed", reason)
        raise JobFailed("failed", reason, folder.path / "run.log") from error


def done(plan: Plan[Any, R], attempt: int) -> R:
    """Do the job and write its result; the W&B run is closed whatever happens."""
    folder = plan.folder
    folder.write_config(plan.written)
    tracker = mirror(plan, attempt)
    code = EXIT_CODES["failed"]
    try:
        tell(True)
        result = outcome(plan, tracker)
        tracker.summarize(flattened(result))
        write_result(folder.path, result)
        folder.end("finished")
        code = EXIT_CODES["finished"]
    except KeyboardInterrupt:
        code = 130
        raise
    except Preempted:
        code = EXIT_CODES["preempted"]
        raise
    finally:
        tracker.close(code)
    return result


def outcome(plan: Plan[Any, Any], tracker: Tracker) -> Any:
    """What the job is about."""
    from cu.experiment.train import train
    from cu.experiment.unlearn import unlearn

    return unlearn(plan, tracker) if isinstance(plan, RunPlan) else train(plan, tracker)  # type: ignore[arg-type]


def mirror(plan: Plan, attempt: int) -> Tracker:
    """Where the job is mirrored, and how it is called there."""
    from cu.config.build import build

    chosen = {group: plan.names[group] for group in NAMED if plan.names.get(group, NONE) != NONE}
    group = "/".join(option for name, option in chosen.items() if name != "method")
    name = "/".join(plan.folder.path.parts[-5:])
    place = fingerprint(name)[:6]  # a method under two names has one identity
    label = RunLabel(f"{plan.fingerprint}-{place}-{attempt}", name, group, plan.kind, tuple(chosen.values()))
    return build(plan.config.tracking).open(label, plan.folder.path, plan.written)


def end(plan: Plan, state: RunState, reason: str | None, mistake: bool = False) -> None:
    """Write the last status; a disk too full for it must not hide why the job ended."""
    try:
        plan.folder.end(state, reason, mistake)
    except OSError as error:
        log.warning("status.json could not be written (%s)", first_line(error))


def require_writable(outputs: Path) -> None:
    """Make the outputs folder.

    Raises:
        ConfigError: It cannot be made or written.
    """
    try:
        outputs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"paths.outputs={outputs} cannot be made ({error.strerror}); use another folder") from error
    if not os.access(outputs, os.W_OK | os.X_OK):
        raise ConfigError(f"paths.outputs={outputs} cannot be written; use another folder")
