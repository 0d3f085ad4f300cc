"""How the outcome of a run is evaluated, as a fingerprint: changing it evaluates anew without training."""

from __future__ import annotations

from typing import Any

from cu.config.schema import RunConfig
from cu.disk.digest import file_hash
from cu.evaluation.comparison import YARDSTICKS
from cu.store.fingerprint import fingerprint
from cu.store.sources import sources_of


def evaluation_id(config: RunConfig) -> str:
    """Fingerprint of how outcomes are evaluated: the suite and the number of retrained models."""
    suite, reference = config.evaluation, config.reference
    own: list[Any] = [file_hash(file, "reference.checkpoints") for file in reference.checkpoints]
    if reference.train is not None:
        own.append([reference.train, sources_of(reference.train.replace(":", ".").rpartition(".")[0])])
    suite_and_k = [YARDSTICKS, suite.name, suite.trajectory_every, suite.metrics, suite.audits, reference.k]
    return fingerprint([*suite_and_k, *([own] if own else [])])
