"""What a finished run forgot: whether its settings still name that."""

from __future__ import annotations

from pathlib import Path

from cu.config.build import build
from cu.config.schema import RunConfig
from cu.data.task import make_task
from cu.data.types import UnlearningTask
from cu.errors import ConfigError
from cu.experiment.memorisation import resolve_scenario
from cu.experiment.workspace import Workspace
from cu.seeds import generator
from cu.store.fingerprint import fingerprint
from cu.store.forget_ids import read_forget_ids
from cu.store.models import StoredModel


def forgotten_by(folder: Path, references: list[StoredModel]) -> set[str]:
    """What a run forgot, as the hash of its ids: what the retrained models were trained without, else its own list.

    Raises:
        Damaged: There is only the list, and it is not what the run wrote.
    """
    if references:
        return {model.record["identity"]["without"] for model in references}
    ids = read_forget_ids(folder)
    return set() if ids is None else {fingerprint(sorted(ids))}


def task_of(workspace: Workspace[RunConfig], forgotten: set[str]) -> UnlearningTask:
    """What a run forgot, as its settings say now.

    Args:
        workspace: Of the run.
        forgotten: Hashes of the ids that it is known to have forgotten; see `forgotten_by`.

    Raises:
        ConfigError: The settings name others.
    """
    config = workspace.config
    scenario = resolve_scenario(build(config.scenario), workspace)
    task = make_task(workspace.data, scenario, generator(config.forget_seed, "forget"))
    if forgotten - {fingerprint(sorted(task.forget.ids.tolist()))}:
        raise ConfigError("its settings name other forget samples than they did; was scenario.file edited?")
    return task
