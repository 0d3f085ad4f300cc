"""The commands. Nothing heavier than Hydra is imported until a job starts."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from cu import __version__
from cu.cli.errors import explain_hydra_error, own_folders, require_hydra, say
from cu.cli.help import help_text
from cu.cli.hydra_job import Ended, Sweep, announce, no_job_finished, report_failures
from cu.cli.plans import PLANS, plain, training_plan, unlearning_plan
from cu.cli.quoting import options_first, with_quoted_paths
from cu.cli.streams import closed_pipes_ignored
from cu.cli.together import why_not_together
from cu.config.folder import config_folder
from cu.config.objective import objective_value
from cu.config.parse import parse
from cu.config.processes import processes
from cu.config.schema import EvaluateConfig, ReportConfig
from cu.config.settings import doubts
from cu.jobs.job import JobFailed, work
from cu.jobs.preemption import Preempted, preemptible
from cu.jobs.sweep_status import exit_code, summary, tally
from cu.jobs.together import followed
from cu.store.handed_back import told
from cu.store.plan import Plan
from cu.tracking.mode import NOTES
from cu.tracking.offline import hint, hint_for_all

AGAIN = "type the command again to go on"


def unlearn() -> None:
    """Console command `cu-unlearn`."""
    command("unlearn", unlearning_job)


def train() -> None:
    """Console command `cu-train`."""
    command("train", training_job)


def report() -> None:
    """Console command `cu-report`."""
    command("report", report_job)


def evaluate() -> None:
    """Console command `cu-evaluate`."""
    command("evaluate", evaluation_job)


def command(name: str, job: Callable[[DictConfig], Any]) -> None:
    """A console command: its help, a job, or a sweep of jobs."""
    with closed_pipes_ignored():
        if "--version" in sys.argv[1:]:
            print(f"cu {__version__}")
            sys.exit(0)
        if {"--help", "-h"} & set(sys.argv[1:]):
            print(help_text(name, [config_folder(), *own_folders(sys.argv[1:])]))
            sys.exit(0)
        if (why := why_not_together(name, sys.argv[1:], processes())) is not None:
            if processes().rank == 0:
                say(f"error: {why}")
            sys.exit(2)
        sys.exit(under_hydra(name, job))


def under_hydra(name: str, job: Callable[[DictConfig], Any]) -> Any:
    """Run a job, or a sweep of them, under Hydra; whatever fails ends in one line. Returns the exit code."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing
    sys.argv[1:] = options_first(with_quoted_paths(sys.argv[1:]))
    logging.raiseExceptions = False  # where the disk is full, each line of a log would fail with a traceback
    main = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=name)(job)
    code: Any = 0
    Sweep.folder = Sweep.outputs = Sweep.planned = None
    Sweep.plan_of = PLANS.get(name)
    start = time.time()
    try:
        with preemptible():
            require_hydra(sys.argv[1:])
            main()
    except Preempted as stop:
        code = stop.code
        say(f"preempted; {AGAIN}")
    except SystemExit as stop:
        code = stop.code
    except KeyboardInterrupt:
        code = 130
        say(f"interrupted; {AGAIN}")
    except JobFailed:  # said when it happened
        code = 1
    except Exception as error:
        found = explain_hydra_error(error, name, sys.argv[1:]) or no_job_finished(error)
        if found is None:
            raise
        line, code = found
        say(f"error: {line}")
    if Sweep.outputs is not None and (line := hint_for_all(Sweep.outputs, start)):
        print(line)
    if Sweep.folder is not None and (ended := tally(Sweep.folder, Sweep.planned)):
        say(summary(ended))
        code = code or exit_code(ended)
    return code


@report_failures
def unlearning_job(cfg: DictConfig) -> Ended:
    """One job of `cu-unlearn`; its value is the metric named by `objective`, for sweepers."""
    plan = unlearning_plan(cfg)
    if processes().rank:
        return followed(plan)
    announce(plan)
    for line in doubts(plan.written, plan.names):
        say(f"warning: {line}")
    state, result = work(plan)
    if state == "finished" or HydraConfig.get().mode != RunMode.MULTIRUN:
        from cu.reporting.summary import show

        show(result, sys.stdout, plan.folder.path, plan.product)
        for line in told(plan.folder.path):
            print(line)
    if state == "finished":
        tell_of_offline(plan)
    return state, objective_value(plan.config, result.metrics)


@report_failures
def training_job(cfg: DictConfig) -> Ended:
    """One job of `cu-train`."""
    plan = training_plan(cfg)
    if processes().rank:
        return followed(plan)
    announce(plan)
    state, result = work(plan)
    accuracies = ", ".join(f"{k.removesuffix('_acc')} {v:.2%}" for k, v in result.accuracies.items())
    print(f"accuracy: {accuracies}\nmodel: {result.model}")
    if state == "finished":
        tell_of_offline(plan)
    return state, None


def tell_of_offline(plan: Plan) -> None:
    """Say what can be done with what W&B kept in files, in a sweep once at its end."""
    if NOTES not in os.environ and (line := hint(plan.folder.path)):
        print(line)


@report_failures
def report_job(cfg: DictConfig) -> Ended:
    """`cu-report`."""
    from cu.reporting.publish import publish
    from cu.reporting.write import show_report

    written = publish(parse(ReportConfig, plain(cfg)), plain(cfg))
    show_report(written, sys.stdout)
    print("written: " + ", ".join(str(path) for path in written.files if path.parent == written.folder))
    if written.figures:
        print(f"figures: {len(written.figures)} in {written.folder / 'figures'}; open {written.page}")
    return "finished", None


@report_failures
def evaluation_job(cfg: DictConfig) -> Ended:
    """`cu-evaluate`."""
    from cu.config.build import check_components

    config = parse(EvaluateConfig, plain(cfg))
    check_components(config)

    from cu.experiment.reevaluate import evaluate_again

    endings = evaluate_again(config, say)
    print(", ".join(f"{endings[ending]} {ending}" for ending in ("evaluated", "already evaluated", "not possible")))
    return "failed" if endings["not possible"] else "finished", None
