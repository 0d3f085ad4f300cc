"""Evaluate finished runs again, from the outputs they left behind; nothing is trained and no method runs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf
from threadpoolctl import threadpool_limits

from cu.config.build import build, validate
from cu.data.scenarios.types import make_task
from cu.data.types import UnlearningTask
from cu.errors import ConfigError
from cu.experiment.compare import compare_with_references
from cu.experiment.memorisation import resolve_scenario
from cu.experiment.workspace import Workspace, set_up
from cu.seeds import generator
from cu.store.files import Damaged, read_json, write_json
from cu.store.forget_ids import write_forget_ids
from cu.store.identity import fingerprint
from cu.store.models import KeptModels, StoredModel
from cu.store.outputs import load_scores
from cu.store.plan import plan_evaluation, safe

log = logging.getLogger(__name__)
Ending = Literal["evaluated", "already evaluated", "not possible"]
LEVELS = ("datasets", "models", "scenarios", "methods")  # the folders above a run, outermost first


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which finished runs to evaluate; null means all. Names are those of the folders below `runs`."""

    datasets: list[str] | None
    models: list[str] | None
    scenarios: list[str] | None
    methods: list[str] | None
    seeds: list[int] | None

    def runs(self, outputs: Path) -> list[Path]:
        """The folders of the finished runs that are meant, sorted.

        Raises:
            ConfigError: There are none.
        """
        finished = sorted(f.parent for f in outputs.glob("runs/*/*/*/*/*/status.json") if is_finished(f))
        chosen = finished
        for place, level in enumerate(LEVELS, start=-5):
            if (wanted := getattr(self, level)) is None:
                continue
            names = {safe(str(name)) for name in wanted}
            there = ", ".join(sorted({run.parts[place] for run in chosen}))
            chosen = [run for run in chosen if run.parts[place] in names]
            if not chosen and there:
                raise ConfigError(f"select.{level}: no finished run matches {list(wanted)}; there are runs of {there}")
        if self.seeds is not None:
            chosen = [run for run in chosen if seed_of(run) in self.seeds]
        if not chosen:
            with_seeds = f" with a seed of {list(self.seeds)}" if finished and self.seeds is not None else ""
            raise ConfigError(f"no finished run{with_seeds} below paths.outputs={outputs}; make some with cu-unlearn")
        return chosen


def is_finished(status: Path) -> bool:
    """Whether a `status.json` says so."""
    try:
        return read_json(status).get("state") == "finished"
    except (Damaged, AttributeError):
        return False


def seed_of(folder: Path) -> int | None:
    """The seed of a run's original; None, which no list holds, if it cannot be read."""
    try:
        return read_json(folder / "result.json")["seeds"]["seed"]
    except (Damaged, TypeError, KeyError):
        return None


def evaluate_again(config: Mapping[str, Any], say: Callable[[str], None]) -> Counter[Ending]:
    """Evaluate every selected run by `config["evaluation"]`; returns how many ended in which way.

    Raises:
        ConfigError: No run is selected, or the suite cannot be had without training.
    """
    audits = [name for name, node in (config["evaluation"].get("audits") or {}).items() if node is not None]
    if audits:
        raise ConfigError(
            f"evaluation={config['evaluation']['name']} has audits ({', '.join(audits)}), which train models; "
            "cu-unlearn conducts them, also for finished runs"
        )
    endings: Counter[Ending] = Counter()
    outputs = Path(config["paths"]["outputs"])
    for folder in Selection(**{k: v for k, v in config["select"].items() if k != "_target_"}).runs(outputs):
        try:
            ending = evaluate_run(folder, config)
        except (ConfigError, Damaged) as error:
            ending = "not possible"
            say(f"not possible: {folder}: {error}")
        endings[ending] += 1
    return endings


def evaluate_run(folder: Path, config: Mapping[str, Any]) -> Ending:
    """Judge one run by what is stored, and rewrite its `result.json`.

    Raises:
        ConfigError: Something that is needed is gone, or no longer what it was.
        Damaged: Something that is needed cannot be read.
    """
    stored = stored_config(folder, config)
    plan = plan_evaluation(stored, folder)
    with plan.folder.locked():
        result = read_json(folder / "result.json")
        if not isinstance(result, Mapping) or result.get("schema") != 1:
            raise ConfigError("result.json is missing, or of another version")
        if config["resume"] == "skip" and result.get("evaluation_id") == plan.evaluation_id:
            return "already evaluated"
        arrays = load_scores(folder / "predictions.npz")
        if arrays is None:
            raise ConfigError("predictions.npz is missing; cu-unlearn keeps it with evaluation.save_predictions=true")
        kept = KeptModels(plan.outputs / "models")
        original = kept.named(result["models"]["original"])
        references = [kept.named(name) for name in result["models"]["retrained"]]
        plan = replace(plan, original=original.record["identity"])
        workspace = replace(set_up(plan), store=kept)
        with threadpool_limits(workspace.hardware.num_threads):
            task = task_of(workspace, references)
            write_forget_ids(folder, task.forget.ids.tolist())
            metrics, _ = compare_with_references(workspace, task, arrays, result["cost"], original, references)
        about = {"evaluation_id": plan.evaluation_id, "evaluation": stored["evaluation"]["name"], "metrics": metrics}
        write_json(folder / "result.json", {**result, **about})
    log.info("evaluated: %s", folder)
    return "evaluated"


def stored_config(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """A run's own config with the suite, the paths and the machine of now."""
    try:
        stored = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"config.yaml cannot be read ({error})") from error
    needed = ("dataset", "model", "recipe", "scenario", "reference", "hardware", "seed", "forget_seed")
    if not isinstance(stored, dict) or any(name not in stored for name in needed):
        raise ConfigError("config.yaml is not whole")
    validate({name: stored[name] for name in ("dataset", "model", "recipe", "scenario")})
    precisions = {name: stored["hardware"][name] for name in ("precision", "scoring_precision")}
    now = {
        "evaluation": config["evaluation"],
        "paths": config["paths"],
        "hardware": {**config["hardware"], **precisions},
    }
    return {**{str(name): value for name, value in stored.items()}, **now}


def task_of(workspace: Workspace, references: list[StoredModel]) -> UnlearningTask:
    """What a run forgot.

    Raises:
        ConfigError: It is not what the retrained models were trained without.
    """
    config = workspace.plan.config
    scenario = resolve_scenario(build(config["scenario"]), workspace)
    task = make_task(workspace.data, scenario, generator(config["forget_seed"], "forget"))
    forgotten = fingerprint(sorted(task.forget.ids.tolist()))
    if any(model.record["identity"]["without"] != forgotten for model in references):
        raise ConfigError("its settings name other forget samples than they did; was scenario.file edited?")
    return task
