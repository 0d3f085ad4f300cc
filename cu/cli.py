"""The commands. Nothing heavier than Hydra is imported until a job starts."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from textwrap import fill, indent
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from cu.complaints import complaint, own_folders
from cu.config import ConfigError, config_folder
from cu.job import JobFailed, Preempted, preemptible, work
from cu.plan import NAMED, plan_training, plan_unlearning
from cu.sweep import EXIT_CODES, State, exit_code, note, summary, tally

AGAIN = "type the command again to go on"
Ended = tuple[State, Any]


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
    """Run a job, or a sweep of them, under Hydra; whatever fails ends in one line and the right exit code."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(help_text(name, [config_folder(), *own_folders(sys.argv[1:])]))
        sys.exit(0)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda word: word not in ("-m", "--multirun"))  # Hydra wants them outside
    logging.raiseExceptions = False  # where the disk is full, each line of a log would fail with a traceback
    main = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=name)(job)
    code: Any = 0
    Sweep.folder = None
    try:
        with preemptible():
            main()
    except Preempted as stop:
        code = stop.code
        say(f"preempted; {AGAIN}")
    except SystemExit as stop:
        code = stop.code
    except KeyboardInterrupt:
        code = 130
        say(f"interrupted; {AGAIN}")
    except Exception as error:
        found = complaint(error, name, sys.argv[1:])
        if found is None:
            raise
        line, code = found
        say(f"error: {line}")
    if Sweep.folder is not None and (ended := tally(Sweep.folder)):
        say(summary(ended))
        code = code or exit_code(ended)
    sys.exit(code)


def help_text(name: str, folders: list[Path]) -> str:
    """The help that the primary config holds; Hydra's own way to it takes a second more."""
    config = OmegaConf.load(config_folder() / f"{name}.yaml")
    own = {str(key).split()[-1] for entry in config.defaults if isinstance(entry, DictConfig) for key in entry}
    options: dict[str, set[str]] = {}
    for folder in folders:
        for path in folder.glob("*/**/*.yaml"):
            group, *option = path.relative_to(folder).with_suffix("").parts
            options.setdefault(group, set()).add("/".join(option))
    lines = [
        fill(f"{group}: {', '.join(sorted(found))}", 110, subsequent_indent="    ")
        for group, found in sorted(options.items())
        if group in own - {"tuned"}  # nobody names these on a command line
    ]
    groups = indent("\n".join(lines) + "\n", "  ")
    return str(config.hydra.help.template).replace("$APP_CONFIG_GROUPS", groups)


class Sweep(Callback):
    """Remembers where the sweep that this process started keeps its notes."""

    folder: Path | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before the first job."""
        Sweep.folder = Path(config.hydra.sweep.dir)


def accounted(job: Callable[[DictConfig], Ended]) -> Callable[[DictConfig], Any]:
    """A job whose failure ends in one line on stderr: the process ends with its exit code, a sweep goes on."""

    @wraps(job)
    def run(cfg: DictConfig) -> Any:
        context = HydraConfig.get()
        in_sweep = context.mode == RunMode.MULTIRUN
        where = f"#{context.job.num} " if in_sweep else ""
        state, value, reason = "failed", None, None
        try:
            warn_of_unswept_grid(context)
            state, value = job(cfg)
        except JobFailed as error:
            state, reason = error.state, str(error)
            say(f"{state}: {where}{reason}")
        except (KeyboardInterrupt, SystemExit):
            state = "preempted"
            raise
        except Exception as error:
            if (found := complaint(error, str(context.job.config_name), sys.argv[1:])) is None:
                raise
            reason, code = found
            state = "mistaken" if code == EXIT_CODES["mistaken"] else "failed"
            say(f"error: {where}{reason}")
        finally:
            if in_sweep:
                about = {"overrides": list(context.overrides.task), "reason": reason}
                note(Path(context.sweep.dir), context.job.num, state, about)
        if not in_sweep and EXIT_CODES[state]:
            sys.exit(EXIT_CODES[state])
        return value

    return run


@accounted
def unlearning_job(cfg: DictConfig) -> Ended:
    """One job of `cu-unlearn`; its value is the metric named by `objective`, for sweepers."""
    config = plain(cfg)
    state, result = work(plan_unlearning(config, choices()), "unlearn")
    if state == "finished":
        from cu.reporting.summary import show

        show(result, sys.stdout)
    entry = result["metrics"].get(config["objective"], {})
    return state, entry.get("gap" if config["objective_is_gap"] else "value")


@accounted
def training_job(cfg: DictConfig) -> Ended:
    """One job of `cu-train`."""
    state, result = work(plan_training(plain(cfg), choices()), "train")
    accuracies = ", ".join(f"{k.removesuffix('_acc')} {v:.2%}" for k, v in result["accuracies"].items())
    print(f"accuracy: {accuracies}\nmodel: {result['model']}")
    return state, None


@accounted
def report_job(cfg: DictConfig) -> Ended:
    """`cu-report`."""
    from cu.reporting.types import Report
    from cu.reporting.write import write_report
    from cu.validation import check

    config = plain(cfg)
    check(config["report"], "report")
    settings = Report(**{name: value for name, value in config["report"].items() if name != "_target_"})
    outputs = Path(config["paths"]["outputs"])
    target = outputs / "reports" / settings.name
    files = write_report(settings, outputs, target)
    print(files[0].read_text(encoding="utf-8"))
    figures = {file.stem for file in files if file.parent != target}
    drawn = [f"{len(figures)} figures in {target / 'figures'}"] if figures else []
    print("written: " + ", ".join([*(str(file) for file in files if file.parent == target), *drawn]))
    return "finished", None


@accounted
def evaluation_job(cfg: DictConfig) -> Ended:
    """`cu-evaluate`."""
    from cu.plan import check_runner_settings
    from cu.validation import check

    config = plain(cfg)
    check_runner_settings(config)
    for group in ("select", "evaluation", "hardware"):
        check(config[group], group)

    from cu.reevaluation import evaluate_again

    endings = evaluate_again(config, say)
    print(", ".join(f"{endings[ending]} {ending}" for ending in ("evaluated", "already evaluated", "not possible")))
    return "failed" if endings["not possible"] else "finished", None


def plain(cfg: DictConfig) -> dict[str, Any]:
    """A config as plain containers, every interpolation resolved.

    Raises:
        ConfigError: A setting without a default is not given.
    """
    if missing := sorted(OmegaConf.missing_keys(cfg)):
        raise ConfigError(f"{missing[0]} must be given, e.g. {missing[0]}=...")
    container = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(container, dict)
    return {str(k): v for k, v in container.items()}


def choices() -> dict[str, str]:
    """The chosen option of each named group."""
    chosen = HydraConfig.get().runtime.choices
    return {group: str(chosen[group]) for group in NAMED if group in chosen}


def warn_of_unswept_grid(context: Any) -> None:
    """Say so if an experiment brings a grid that Hydra does not sweep."""
    given = {override.split("=")[0].lstrip("+~") for override in context.overrides.task}
    idle = [key for key in context.sweeper.get("params") or {} if key not in given]
    if idle:
        say(f"warning: the grid over {', '.join(idle)} is not swept; add -m, and sweep one experiment per command")


def say(line: str) -> None:
    """One line on stderr."""
    print(" ".join(line.split()), file=sys.stderr, flush=True)
