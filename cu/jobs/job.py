"""One job, from its plan to its last status, whatever befalls it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from cu.config.settings import NONE
from cu.errors import ConfigError, first_line
from cu.jobs.preemption import Preempted, preemptible
from cu.jobs.status import EXIT_CODES, JobState
from cu.store.plan import NAMED, Plan

log = logging.getLogger("cu")
tracebacks = logging.getLogger("cu.traceback")


class JobFailed(RuntimeError):
    """A job ended early and its status says so; the message says why and where to read more."""

    def __init__(self, state: JobState, reason: str, log: Path | None = None) -> None:
        super().__init__(state, reason, log)  # all of them, or it cannot be pickled
        self.state: JobState = state
        self.reason, self.log = reason, log

    def __str__(self) -> str:
        where = "" if self.log is None else f" [{self.log}]"
        return " ".join(self.reason.split()) + where


def work(plan: Plan, kind: Literal["train", "unlearn"]) -> tuple[JobState, Mapping[str, Any]]:
    """Do the planned job unless it is done; keep its status, mirror it, and write its result.

    Raises:
        ConfigError: The user asked for something that cannot be.
        JobFailed: Anything else went wrong.
    """
    if (earlier := settled(plan)) is not None:
        tell_again(plan, kind, earlier[1])
        return earlier
    with preemptible():
        from cu.config.build import validate

        validate(plan.config)
        if kind == "unlearn":
            from cu.experiment.requirements import check_requirements

            check_requirements(plan.config, plan.names)
        require_writable(plan.outputs)
        with plan.folder.locked():
            if (earlier := settled(plan)) is not None:
                return earlier
            plan.folder.result()  # warns if there is one and it is damaged
            with run_log(plan.folder.path):
                return "finished", recorded(plan, kind)


def settled(plan: Plan) -> tuple[JobState, Mapping[str, Any]] | None:
    """The earlier result, if there is one and it may be kept."""
    if plan.config["resume"] == "rerun" or (result := plan.finished()) is None:
        return None
    if plan.config["resume"] == "error":
        raise ConfigError(f"resume=error, and {plan.folder.path} is finished; use resume=skip or resume=rerun")
    log.info("already finished: %s", plan.folder.path)
    return "already finished", result


def tell_again(plan: Plan, kind: Literal["train", "unlearn"], result: Mapping[str, Any]) -> None:
    """Mirror a result that is known to a W&B sweep that asks for it once more."""
    from cu.tracking.mode import awaited

    if not awaited():
        return
    from cu.config.build import build
    from cu.tracking.flat import flattened

    folder = plan.folder
    with folder.locked():
        tracker = build(plan.config["tracking"]).open(
            label(plan, kind, int(folder.status().get("attempt", 1))), folder.path, plan.config
        )
        tracker.summarize(flattened(result))
        tracker.close(EXIT_CODES["finished"])


def recorded(plan: Plan, kind: Literal["train", "unlearn"]) -> Mapping[str, Any]:
    """Do the job between `running` and its final status."""
    from cu.engine.fit import Diverged

    folder = plan.folder
    if plan.config["resume"] == "rerun":
        for name in ("predictions.npz", "cost.json", "model.safetensors"):
            (folder.path / name).unlink(missing_ok=True)
    try:
        return done(plan, kind, folder.begin())
    except Diverged as error:
        end(plan, "diverged", str(error))
        raise JobFailed("diverged", str(error), folder.path / "run.log") from error
    except ConfigError as error:
        end(plan, "failed", str(error))
        raise
    except (KeyboardInterrupt, SystemExit):
        if folder.status().get("state") != "finished":  # it may have come while W&B was closing
            end(plan, "preempted", None)
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        tracebacks.exception("%s", folder.path)
        end(plan, "failed", reason)
        raise JobFailed("failed", reason, folder.path / "run.log") from error


def done(plan: Plan, kind: Literal["train", "unlearn"], attempt: int) -> Mapping[str, Any]:
    """Do the job and write its result; the W&B run is closed whatever happens."""
    from omegaconf import OmegaConf

    from cu.config.build import build
    from cu.experiment.train import train
    from cu.experiment.unlearn import unlearn
    from cu.store.files import write_json, write_text
    from cu.tracking.flat import flattened

    folder = plan.folder
    write_text(folder.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(plan.config))))
    tracker = build(plan.config["tracking"]).open(label(plan, kind, attempt), folder.path, plan.config)
    code = EXIT_CODES["failed"]
    try:
        result = (train if kind == "train" else unlearn)(plan, tracker)
        tracker.summarize(flattened(result))
        write_json(folder.path / "result.json", result)
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


def label(plan: Plan, kind: str, attempt: int) -> Any:
    """How the job is called in W&B."""
    from cu.tracking.types import RunLabel

    chosen = {group: plan.names[group] for group in NAMED if plan.names.get(group, NONE) != NONE}
    group = "/".join(option for name, option in chosen.items() if name != "method")
    name = "/".join(plan.folder.path.parts[-5:])
    return RunLabel(f"{plan.fingerprint}-{attempt}", name, group, kind, tuple(chosen.values()))


def end(plan: Plan, state: Literal["failed", "diverged", "preempted"], reason: str | None) -> None:
    """Write the last status; a disk too full for it must not hide why the job ended."""
    try:
        plan.folder.end(state, reason)
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


@contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Write what `cu` logs, tracebacks included, to the run's own `run.log`."""
    handler = logging.FileHandler(folder / "run.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = log, tracebacks
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()
