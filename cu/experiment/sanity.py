"""A second look at the original and the references before anything is forgotten."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from cu.config.schema import RunConfig
from cu.data.types import UnlearningTask
from cu.errors import ConfigError
from cu.evaluation.cases import by_split
from cu.evaluation.sanity import doubts
from cu.experiment.workspace import Workspace
from cu.models.checkpoints.preprocessing import differences
from cu.store.models import StoredModel
from cu.store.plan import RunPlan

log = logging.getLogger(__name__)


def look_twice(
    workspace: Workspace[RunConfig],
    plan: RunPlan,
    task: UnlearningTask,
    original: StoredModel,
    retrained: Sequence[StoredModel],
) -> list[str]:
    """Say, before anything is forgotten, why original or references may not be what they are taken for.

    Raises:
        ConfigError: They may not, and `sanity=error`.
    """
    if plan.config.sanity == "off":
        return []
    seen = [by_split(workspace.scores(model), task) for model in (original, *retrained)]
    path, data = plan.config.checkpoint, plan.config.dataset.node
    lines = [line for line in [path and differences(Path(path), data)] if line]
    lines += doubts(seen[0], seen[1:], workspace.data.class_names, str(plan.names.get("recipe")))
    if lines and plan.config.sanity == "error":
        raise ConfigError(f"sanity=error: {lines[0]}")
    for line in lines:
        log.warning("warning: %s", line)
    return lines
