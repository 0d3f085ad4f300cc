"""What a finished run of an earlier version cannot tell by the yardsticks of now, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cu.experiment.workspace import Workspace
from cu.seeds import member_seed
from cu.store.models import StoredModel
from cu.store.result import RunResult

NAN = float("nan")


def faced(workspace: Workspace[Any], arrays: Mapping[str, Any], references: Sequence[StoredModel]) -> list[StoredModel]:
    """The references that are not the outcome itself, as the first one was that of the method that retrains."""
    own = arrays["train/logits"]
    return [r for r in references if not np.array_equal(workspace.scores(r)["train/logits"], own)]


def cost_of(result: RunResult) -> dict[str, float]:
    """The account of a run; memory is unknown if it was that of the whole process, as it was before passes counted."""
    return dict(result.cost) if "flops" in result.cost else {**result.cost, "peak_mem_mb": NAN}


def limits(result: RunResult, references: Sequence[StoredModel]) -> list[str]:
    """What cannot be had without training, each in a few words; empty for a run of this version."""
    found = []
    seeds = [stored.record["identity"]["seed"] for stored in references if not own(stored)]
    if not set(seeds) <= {member_seed(result.seeds.seed, "reference", k) for k in range(len(result.models.retrained))}:
        found.append("its retrained models also belong to other seeds, so that no test over seeds holds")
    if len(references) < len(result.models.retrained):
        found.append("it was one of its own references, and is no longer")
    if "flops" not in result.cost:
        found.append("its account has no FLOPs, no memory of its own, and no samples that preparation read")
    if references and "retrain_seconds_per_sample" not in result.cost:
        found.append("retraining was not timed beside it, so that there is no speed-up")
    return found


def own(stored: StoredModel) -> bool:
    """Whether a reference is the user's own, from a file."""
    return "checkpoint" in stored.record["identity"]
