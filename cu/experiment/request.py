"""What is asked of a run: the task, who is forgotten by name, and who was before; said, and kept with the run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from cu.config.schema import RunConfig
from cu.data.datasets.listing import examples
from cu.data.scenarios.id_files import Named
from cu.data.scenarios.indices import UntrainedIdsError
from cu.data.scenarios.types import Scenario
from cu.data.task import make_task
from cu.data.types import ImageData, Split, UnlearningTask
from cu.errors import ConfigError
from cu.experiment.workspace import Workspace
from cu.methods.types import Method, check_task, needs_of
from cu.seeds import generator
from cu.store.forget_ids import EARLIER, write_forget_ids
from cu.store.removed import Removal

log = logging.getLogger(__name__)


def requested(workspace: Workspace[RunConfig], scenario: Scenario, method: Method) -> UnlearningTask:
    """What to forget and what to keep.

    Raises:
        ConfigError: The scenario does not fit the data; with what the method needs if a hint is followed. Or the method
            cannot do this task with this network.
    """
    try:
        task = make_task(workspace.data, scenario, generator(workspace.config.forget_seed, "forget"))
    except UntrainedIdsError as error:
        looks = [need for need in needs_of(method) if need.resource == "validation data"] if error.held_out else []
        if not looks:
            raise
        raise ConfigError(f"{error}, and {looks[0].instead}, since {looks[0].because} needs validation data") from error
    check_task(method, lambda: workspace.context(workspace.seed).new_model(), task)
    return task


def keep_request(folder: Path, task: UnlearningTask, data: ImageData, removal: Removal) -> None:
    """Write down who is forgotten and who was before, and say so."""
    write_forget_ids(folder, entries_of(task.forget))
    for line in told(task, data, removal):
        log.info("%s", line)
    if removal.entries:
        write_forget_ids(folder, [*entries_of(data.removed), *absent(data, removal)], EARLIER)


def entries_of(split: Split | None) -> list[Named]:
    """The samples of a split as entries of a list: ids, with names and contents where there are files."""
    if split is None:
        return []
    ids, files = split.ids.tolist(), split.files
    if files is None:
        return [Named("", number) for number in ids]
    return [Named("", number, files.names[number], files.hashes[number]) for number in ids]


def absent(data: ImageData, removal: Removal) -> list[Named]:
    """What was removed and is not in the data set any more; those after this run must know of it all the same."""
    there = {key for entry in entries_of(data.removed) for key in (entry.sha256, entry.file, entry.id)}
    return [entry for entry in removal.entries if (entry.sha256 or entry.file or entry.id) not in there]


def told(task: UnlearningTask, data: ImageData, removal: Removal) -> Iterator[str]:
    """Lines on who is forgotten, if the data set has names for it, on classes that go whole, and on who was before."""
    if task.forget.files is not None:
        names = [task.forget.files.names[number] for number in task.forget.ids.tolist()]
        yield f"to forget: {len(names):,} of {len(data.train):,} training images: {examples(names)}"
    gone = set(task.forget.labels.tolist()) - set(task.retain.labels.tolist())
    if task.scenario == "sample" and gone:
        named = ", ".join(data.class_names[label] for label in sorted(gone))
        yield (
            f"nothing of {named} is left to retain, but the samples are forgotten as samples: methods and metrics for "
            f"classes need scenario=class scenario.classes={sorted(gone)}"
        )
    if removal.entries:
        there = 0 if data.removed is None else len(data.removed)
        missing = len(absent(data, removal))
        more = f"; {missing:,} more are not in the data set any more" if missing else ""
        yield (
            f"removed by earlier requests and left out of everything: {there:,} samples{more} "
            f"({', '.join(str(path) for path in removal.sources)})"
        )


def held_out_of_checkpoint(config: RunConfig, data: ImageData) -> str | None:
    """A warning about images that the user's own model may know, although they count as unseen; None without any."""
    checkpoint = config.checkpoint
    if checkpoint is None or Path(checkpoint).expanduser().with_name("model.json").exists():
        return None  # a model that cu trained knows none of them
    parts, remedies = [], []
    if len(data.val) and data.val.images is data.train.images:
        parts.append(f"{len(data.val):,} for validation")
        remedies.append("set dataset.val_fraction=0")
    if data.test.images is data.train.images and data.train.files is not None:
        parts.append(f"{len(data.test):,} for testing")
        remedies.append(f"put test images into {data.train.files.folder.with_name('test')}")
    if not parts:
        return None
    return (
        f"{' and '.join(parts)} are cut from the training images and taken for unseen, which they are not if your "
        f"model was trained on all of them: {' and '.join(remedies)}"
    )
