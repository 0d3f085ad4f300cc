"""The commands. Nothing heavier than Hydra is imported until a job starts."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from cu.complaints import complaint
from cu.config import ConfigError, config_folder, first_line
from cu.plan import NAMED, Plan, plan_training, plan_unlearning

log = logging.getLogger("cu")


class JobFailed(RuntimeError):
    """A job that has already said why it failed."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Preempted(SystemExit):
    """SIGTERM, turned into an exception so that everything is closed in order."""


def unlearn() -> None:
    """Console command `cu-unlearn`."""
    command("unlearn", unlearning_job)


def train() -> None:
    """Console command `cu-train`."""
    command("train", training_job)


def report() -> None:
    """Console command `cu-report`."""
    command("report", report_job)


def command(name: str, job: Callable[[DictConfig], Any]) -> None:
    """Run a job under Hydra; every failure ends in one line on stderr and the right exit code."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    main = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=name)(job)
    try:
        main()
    except JobFailed as failure:
        sys.exit(failure.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        line = complaint(error, name, sys.argv[1:])
        if line is None:
            raise
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)


def unlearning_job(cfg: DictConfig) -> float | None:
    """One job of `cu-unlearn`; returns the metric named by `objective`, for sweepers."""
    config = plain(cfg)
    plan = plan_unlearning(config, choices())
    result = work(plan, "unlearn")
    entry = result["metrics"].get(config["objective"], {})
    return entry.get("gap") if config["objective_is_gap"] else entry.get("value")


def training_job(cfg: DictConfig) -> None:
    """One job of `cu-train`."""
    result = work(plan_training(plain(cfg), choices()), "train")
    accuracies = ", ".join(f"{k.removesuffix('_acc')} {v:.2%}" for k, v in result["accuracies"].items())
    print(f"accuracy: {accuracies}\nmodel: {result['model']}")


def report_job(cfg: DictConfig) -> None:
    """`cu-report`."""
    from cu.reporting.types import Report
    from cu.reporting.write import write_report
    from cu.validation import check

    config = plain(cfg)
    check(config["report"], "report")
    settings = Report(**{name: value for name, value in config["report"].items() if name != "_target_"})
    outputs = Path(config["paths"]["outputs"])
    files = write_report(settings, outputs, outputs / "reports" / settings.name)
    print(files[0].read_text(encoding="utf-8"))
    print("written: " + ", ".join(map(str, files)))


def work(plan: Plan, kind: str) -> Mapping[str, Any]:
    """Do the planned job unless it is done; keep its status, mirror it, and write its result."""
    if plan.config["resume"] == "skip" and (result := plan.finished()) is not None:
        log.info("already finished: %s", plan.folder.path)
        return result
    with preemptible(), plan.folder.locked(), run_log(plan.folder.path):
        result = plan.finished()
        if result is not None and plan.config["resume"] == "skip":
            return result
        if result is not None and plan.config["resume"] == "error":
            raise ConfigError(f"resume=error and {plan.folder.path} is finished; use resume=skip or resume=rerun")
        return recorded(plan, kind)


def recorded(plan: Plan, kind: str) -> Mapping[str, Any]:
    """Do the job between `running` and its final status."""
    from cu import experiment
    from cu.assembly import build, validate
    from cu.engine.fit import Diverged
    from cu.reporting.summary import show
    from cu.store.files import write_json, write_text
    from cu.tracking import RunLabel, flattened

    folder = plan.folder
    validate(plan.config)
    if plan.config["resume"] == "rerun":
        for name in ("predictions.npz", "cost.json"):
            (folder.path / name).unlink(missing_ok=True)
    attempt = folder.begin()
    write_text(folder.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(plan.config))))
    label = RunLabel(
        f"{plan.fingerprint}-{attempt}",
        "/".join(folder.path.parts[-5:]),
        "/".join(plan.names[g] for g in NAMED if g in plan.names and g != "method"),
        kind,
        tuple(plan.names[g] for g in NAMED if g in plan.names),
    )
    tracker = build(plan.config["tracking"]).open(label, folder.path, plan.config)
    code = 1
    try:
        result = getattr(experiment, kind)(plan, tracker)
        tracker.summarize(flattened(result))
        write_json(folder.path / "result.json", result)
        folder.end("finished")
        code = 0
    except Diverged as error:
        folder.end("diverged", str(error))
        raise failed("diverged", plan, str(error), 1) from error
    except ConfigError as error:
        folder.end("failed", str(error))
        raise failed("error", plan, str(error), 2) from error
    except (KeyboardInterrupt, SystemExit) as error:
        code = 143 if isinstance(error, Preempted) else 130
        folder.end("preempted")
        raise
    except Exception as error:
        folder.end("failed", first_line(error))
        logging.getLogger("cu.traceback").exception("%s", plan.folder.path)
        raise failed("failed", plan, f"{type(error).__name__}: {first_line(error)}", 1) from error
    finally:
        tracker.close(code)
    if kind == "unlearn":
        show(result, sys.stdout)
    return result


def failed(state: str, plan: Plan, message: str, exit_code: int) -> JobFailed:
    """Say in one line why a job ended, and where to read more; returns what to raise."""
    words = " ".join(message.split())
    print(f"{state}: {words} [{plan.folder.path / 'run.log'}]", file=sys.stderr)
    return JobFailed(words, exit_code)


def plain(cfg: DictConfig) -> dict[str, Any]:
    """A config as plain containers, every interpolation resolved."""
    container = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(container, dict)
    return {str(k): v for k, v in container.items()}


def choices() -> dict[str, str]:
    """The chosen option of each named group."""
    chosen = HydraConfig.get().runtime.choices
    return {group: str(chosen[group]) for group in NAMED if group in chosen}


@contextmanager
def preemptible() -> Iterator[None]:
    """Turn SIGTERM into `Preempted` while inside, unless somebody else (a Slurm plug-in) handles it."""
    try:
        default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        if default:
            signal.signal(signal.SIGTERM, raise_preempted)
    except ValueError:  # not the main thread
        default = False
    try:
        yield
    finally:
        if default:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def raise_preempted(signum: int, frame: object) -> None:
    """The SIGTERM handler."""
    raise Preempted(143)


@contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Write what `cu` logs, tracebacks included, to the run's own `run.log`."""
    handler = logging.FileHandler(folder / "run.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
