"""A model's outputs as a run left them, cut into the splits that figures show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from cu.disk.files import Damaged
from cu.errors import first_line
from cu.metrics.case import Case
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.reporting.figures.types import LacksDataError
from cu.seeds import derive_seed
from cu.store.forget_ids import read_forget_ids
from cu.store.outputs import load_scores
from cu.store.result import RunResult, read_run_result

MOST_RETAINED = 5000
_PARTS = ("logits", "label", "id")
_SPLITS = ("train", "test")


Group = Literal["forget", "matched", "retain"]


def samples_of(case: Case, group: Group) -> Predictions:
    """Forgotten training samples, unseen ones of the same classes, as metrics attack with, or retained ones."""
    if group == "matched":
        return case.matched_non_members()
    return case.model.forget if group == "forget" else case.model.retain


@dataclass(frozen=True)
class RunRecord:
    """A finished run's folder and result; every file is read when it is asked for.

    Raises:
        LacksDataError: From any member, if a file is missing or damaged.
    """

    folder: Path

    @cached_property
    def result(self) -> RunResult:
        """The content of `result.json`."""
        try:
            result = read_run_result(self.folder)
        except (OSError, Damaged) as error:
            raise LacksDataError(f"{self.folder / 'result.json'} cannot be read ({first_line(error)})") from error
        if result is None:
            raise LacksDataError(f"{self.folder / 'result.json'} is missing")
        return result

    @property
    def own_file(self) -> Path:
        """Where the outputs of the unlearned model are."""
        return self.folder / "predictions.npz"

    @property
    def original_file(self) -> Path:
        """Where the outputs of the model before unlearning are."""
        return self._model_file(self.result.models.original)

    @property
    def retrained_files(self) -> list[Path]:
        """Where the outputs of the retrained models are."""
        names = self.result.models.retrained
        if not names:
            raise LacksDataError("no retrained model; make runs with reference.k=1 or more")
        return [self._model_file(name) for name in names]

    def _model_file(self, name: str) -> Path:
        folder = self.folder.parents[5] / "models" / name
        found = sorted(folder.glob("predictions-*.npz"))
        if not found:
            raise LacksDataError(f"{folder} holds no predictions")
        return next((path for path in found if path.stem.endswith("-fp32")), found[0])

    def forget_ids(self, train: Predictions) -> np.ndarray:
        """Ids of the forgotten training samples, sorted."""
        try:
            ids = read_forget_ids(self.folder)
        except Damaged as error:
            raise LacksDataError(str(error)) from error
        if ids is not None:
            return np.sort(np.asarray(ids, dtype=np.int64))
        if self.result.scenario == "class":
            return np.sort(train.id[np.isin(train.label, self.result.forget_classes)])
        raise LacksDataError(
            f"{self.folder} does not say which samples were forgotten; cu-evaluate resume=rerun writes it down"
        )

    def case(self, path: Path) -> Case:
        """The case that metrics saw of a model, without embeddings and with at most 5,000 retained samples."""
        train, test = self.splits(path, embedding=False)
        forgotten = np.isin(train.id, self.forget_ids(train))
        kept = np.flatnonzero(~forgotten)
        if len(kept) > MOST_RETAINED:
            kept = np.sort(np.random.default_rng(0).choice(kept, MOST_RETAINED, replace=False))
        of_forgotten = np.isin(test.label, self.result.forget_classes)
        return Case(
            model=ModelPredictions(
                retain=train.take(kept),
                forget=train.take(forgotten),
                val=train.take(np.zeros(len(train), dtype=bool)),
                test_retain=test.take(~of_forgotten),
                test_forget=test.take(of_forgotten),
            ),
            retrained=(),
            original=None,
            scenario=self.result.scenario,
            forget_classes=self.result.forget_classes,
            num_classes=test.logits.shape[1],
            seed=derive_seed(self.result.seeds.forget_seed, "evaluation"),
        )

    def splits(self, path: Path, embedding: bool) -> tuple[Predictions, Predictions]:
        """A model on training and test samples; without embeddings these have no columns."""
        parts = (*_PARTS, "embedding") if embedding else _PARTS
        try:
            arrays = load_scores(path, {f"{split}/{part}" for split in _SPLITS for part in parts})
            if arrays is None:
                raise LacksDataError(f"{path} is missing; evaluation.keep=all keeps it")
            if embedding and f"{_SPLITS[0]}/embedding" not in arrays:
                raise LacksDataError(f"{path} has no embeddings; evaluation.keep=all keeps them")
            train, test = (_predictions(arrays, split) for split in _SPLITS)
        except Damaged as error:
            raise LacksDataError(str(error)) from error
        except KeyError as error:
            raise LacksDataError(f"{path} lacks {error}") from error
        return train, test


def _predictions(arrays: Mapping[str, np.ndarray], split: str) -> Predictions:
    label = arrays[f"{split}/label"]
    none = np.empty((len(label), 0), dtype=np.float32)
    embedding = arrays.get(f"{split}/embedding", none).astype(np.float32)
    return Predictions(arrays[f"{split}/logits"], embedding, label, arrays[f"{split}/id"])
