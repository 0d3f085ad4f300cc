"""The data of a job: as its settings describe them, without what was removed, prepared by the scenario."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from cu.config.build import build
from cu.config.component import Component
from cu.config.schema import RunConfig, TrainConfig
from cu.data.removal import without
from cu.data.types import ImageData
from cu.seeds import generator
from cu.store.removed import removal_of


def data_of(config: TrainConfig, original_identity: Mapping[str, Any]) -> ImageData:
    """The data of a job.

    Args:
        config: Of the job.
        original_identity: Of its original; in it, what the images in a folder of the user's own were.
    """
    settings = json.dumps(dict(config.dataset.node))
    data = without(
        load_data(settings, str(config.paths.data), original_identity.get("folder")), removal_of(config).entries
    )
    if isinstance(config, RunConfig):
        data = build(config.scenario).prepare(data, generator(config.forget_seed, "forget"))
    return data


@lru_cache(maxsize=2)
def load_data(settings: str, root: str, content: str | None) -> ImageData:
    """The data set of these settings (JSON); kept between the jobs of a sweep as long as its content is the same."""
    return build(Component(json.loads(settings))).load(Path(root))
