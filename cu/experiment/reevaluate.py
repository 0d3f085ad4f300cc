"""Evaluate finished runs again, from the outputs they left behind; nothing is trained and no method runs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf
from threadpoolctl import threadpool_limits

from cu.config.build import build, check_components
from cu.config.component import Component
from cu.config.parse import parse
from cu.config.schema import EvaluateConfig, RunConfig
from cu.config.trust import ANY, is_trusted, require_trusted
from cu.disk.files import Damaged
from cu.errors import ConfigError, described
from cu.evaluation.comparison import Comparison
from cu.evaluation.suite import spec_of
from cu.experiment.compare import compare_with_references
from cu.experiment.earlier_runs import cost_of, faced, limits
from cu.experiment.forgotten import forgotten_by, task_of
from cu.experiment.request import entries_of
from cu.experiment.selection import Selection
from cu.experiment.workspace import set_up
from cu.metrics.rows import NOT_KEPT
from cu.store.evaluation_id import evaluation_id
from cu.store.forget_ids import EARLIER, write_forget_ids
from cu.store.intact import require_intact
from cu.store.models import KeptModels
from cu.store.outputs import load_scores
from cu.store.result import RunResult, read_run_result, write_result
from cu.store.runs import RunFolder

log = logging.getLogger(__name__)
Ending = Literal["evaluated", "already evaluated", "not possible"]


def evaluate_again(config: EvaluateConfig, say: Callable[[str], None]) -> Counter[Ending]:
    """Evaluate every selected run by the suite of `config`; returns how many ended in which way.

    Raises:
        ConfigError: No run is selected, or the suite cannot be had without training.
    """
    if audits := config.evaluation.chosen_audits():
        raise ConfigError(
            f"evaluation={config.evaluation.name} has audits ({', '.join(audits)}), which train models; "
            "cu-unlearn conducts them, also for finished runs"
        )
    selection: Selection = build(config.select)
    endings: Counter[Ending] = Counter()
    for folder in selection.runs(config.paths.outputs):
        try:
            ending, missing = evaluate_run(folder, config)
            if missing:
                say(f"evaluated, but: {folder}: {'; '.join(missing)}; cu-unlearn makes what is missing")
        except (ConfigError, Damaged) as error:
            ending = "not possible"
            say(f"not possible: {folder}: {error}")
        except Exception as error:  # whatever is wrong with the files of one run must not keep the others from it
            ending = "not possible"
            log.debug("%s", folder, exc_info=True)
            say(f"not possible: {folder}: {described(error)}")
        endings[ending] += 1
    return endings


def evaluate_run(folder: Path, config: EvaluateConfig) -> tuple[Ending, list[str]]:
    """Judge one run by what is stored, and rewrite its `result.json`; also returns what cannot be had from it.

    Raises:
        ConfigError: Something that is needed is gone, or no longer what it was.
        Damaged: Something that is needed cannot be read.
    """
    stored = stored_config(folder, config)
    with RunFolder(folder).locked():
        result = read_run_result(folder)
        if result is None:
            raise ConfigError("result.json is missing")
        require_intact(folder, result.lists, "metrics.jsonl", EARLIER)
        asked = evaluation_id(stored)
        if config.resume == "skip" and result.evaluation_id == asked and up_to_date(result, stored):
            return "already evaluated", []
        arrays = load_scores(folder / "predictions.npz")
        if arrays is None:
            raise ConfigError("predictions.npz is missing; cu-unlearn keeps it with evaluation.keep=all")
        kept = KeptModels(config.paths.outputs / "models")
        original = kept.named(result.models.original)
        references = [kept.named(name) for name in result.models.retrained]
        workspace = replace(set_up(stored, original.record["identity"]), store=kept)
        with threadpool_limits(workspace.hardware.num_threads):
            task = task_of(workspace, forgotten_by(folder, references))
            write_forget_ids(folder, entries_of(task.forget))
            others = faced(workspace, arrays, references)
            metrics, _ = compare_with_references(workspace, task, arrays, cost_of(result), original, others)
            require_kept(metrics, stored.evaluation.name)
        about = {"evaluation_id": asked, "evaluation": stored.evaluation.name, "references": len(others)}
        write_result(folder, replace(result, **about, metrics=metrics))
    log.info("evaluated: %s", folder)
    return "evaluated", limits(result, others)


def require_kept(metrics: Mapping[str, Comparison], suite: str) -> None:
    """Check that no metric asked for outputs that were not kept: what it said when they were there must not be lost.

    Raises:
        ConfigError: Some did.
    """
    lacking = [key for key, entry in metrics.items() if NOT_KEPT in entry.status]
    if lacking:
        raise ConfigError(
            f"predictions.npz has no embeddings (evaluation.keep=logits), and {len(lacking)} values of "
            f"evaluation={suite} are made of them ({', '.join(lacking[:2])}, ...); leave those metrics out, or run "
            "cu-unlearn with evaluation.keep=all resume=rerun"
        )


def up_to_date(result: RunResult, config: RunConfig) -> bool:
    """Whether every metric of the suite was computed by the formula of now."""
    specs = [spec_of(build(component)) for component in config.evaluation.chosen().values()]
    versions = {key: spec.version for spec in specs for key in spec.keys}
    return {key: entry.version for key, entry in result.metrics.items()} == versions


def stored_config(folder: Path, config: EvaluateConfig) -> RunConfig:
    """A run's own config with the suite, the paths and the machine of now.

    The record is data: it may name only classes of settings of this project, and modules that the user trusts.

    Raises:
        ConfigError: It cannot be read, is not whole, or names other code.
    """
    try:
        stored = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
        if not isinstance(stored, Mapping):
            raise ValueError("not a mapping")
        recorded = parse(RunConfig, {**{str(key): value for key, value in stored.items()}, **without_suite()})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"config.yaml cannot be used ({error})") from error
    trusted = [module for module in config.trust if module != ANY]
    require_trusted(recorded.components(), trusted)
    require_trusted_factory(recorded.network, trusted)
    precisions = {name: recorded.hardware.get(name) for name in ("precision", "scoring_precision")}
    hardware = Component({**config.hardware.node, **precisions, "compile": recorded.hardware.get("compile", False)})
    removed = [str(folder / EARLIER)] if (folder / EARLIER).exists() else []
    about = {"paths": config.paths, "hardware": hardware, "trust": config.trust, "removed": removed}
    now = replace(recorded, evaluation=config.evaluation, **about)
    check_components(now)
    return now


def without_suite() -> dict[str, Any]:
    """What stands in for the parts of a record that are not used: its suite and where it was mirrored."""
    suite = {"name": "", "trajectory_every": 0, "keep": "all", "metrics": {}, "audits": {}}
    return {"evaluation": suite, "tracking": {"_target_": "cu.tracking.types.NoTracking"}}


def require_trusted_factory(network: Component, trusted: Collection[str]) -> None:
    """Check that a recorded network of the user's own comes from a trusted module.

    Raises:
        ConfigError: It does not.
    """
    factory = network.get("factory")
    if factory is not None and not is_trusted(str(factory), trusted):
        module = str(factory).replace(":", ".").rpartition(".")[0]
        raise ConfigError(
            f"the recorded model.factory={factory} is code of the user's; to run it, say trust=[{module}]"
        )
