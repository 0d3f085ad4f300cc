"""What a model says of samples, and of every split of a task."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cu.metrics.rows import joined, taken

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
SPLITS = ("retain", "forget", "val", "test_retain", "test_forget")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Predictions:
    """One model on one list of samples, in the samples' own order.

    Large ones are `Rows`, which are read from their file piece by piece and otherwise behave like arrays.

    Attributes:
        logits: float32 [N, C].
        embedding: float32 [N, D], as the model returned it.
        label: int64 [N].
        id: int64 [N], stable sample ids; equal ids mean the same image.
        features: float32 [N, D'], what enters the head; the same array as the embedding where the head classifies the
            features themselves, None where they are not known.
    """

    logits: Floats
    embedding: Floats
    label: Integers
    id: Integers
    features: Floats | None = None

    def __len__(self) -> int:
        return len(self.label)

    def take(self, positions: NDArray[Any]) -> Predictions:
        """The samples at `positions` (integers or a boolean mask [N])."""
        embedding, features = taken(self.embedding, positions), self.features
        if features is not None:
            features = embedding if features is self.embedding else taken(features, positions)
        return Predictions(
            taken(self.logits, positions), embedding, self.label[positions], self.id[positions], features
        )


@dataclass(frozen=True, eq=False)
class ModelPredictions:
    """One model on every split of a task. `test_forget` is empty in sample scenarios, `val` may be empty.

    Attributes:
        retain: Training samples that were kept.
        forget: Training samples that were to be forgotten.
        val: Held-out samples of all classes; no model was trained on them.
        test_retain: Test samples of retained classes; in sample scenarios the whole test set.
        test_forget: Test samples of forgotten classes.
        removed: Training samples of the first original that earlier requests removed; None without such requests.
        head: Weight [C, D] and bias [C] of the last linear layer, for metrics that operate on the head.
    """

    retain: Predictions
    forget: Predictions
    val: Predictions
    test_retain: Predictions
    test_forget: Predictions
    head: tuple[Floats, Floats] | None = None
    removed: Predictions | None = None

    @cached_property
    def _known(self) -> dict[Hashable, Any]:
        return {}

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` finds out about this model, computed once for all metrics and cases that ask for it.

        Args:
            key: Names everything besides the model that the result depends on.
            compute: A pure function.
        """
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    @cached_property
    def test(self) -> Predictions:
        """The whole test set."""
        a, b = self.test_retain, self.test_forget
        return Predictions(
            joined(a.logits, b.logits),
            joined(a.embedding, b.embedding),
            np.concatenate([a.label, b.label]),
            np.concatenate([a.id, b.id]),
        )

    @property
    def parts(self) -> dict[str, Predictions]:
        """The five splits by name."""
        return {name: getattr(self, name) for name in SPLITS}

    def at_features(self) -> ModelPredictions | None:
        """The model with what enters its head in the place of its embedding.

        Itself where both are the same, so that what was found out once is known; None where they are not known.
        """
        known = {name: part.features for name, part in self.parts.items()}
        if any(features is None for features in known.values()):
            return None
        if all(known[name] is part.embedding for name, part in self.parts.items()):
            return self
        parts = {n: replace(part, embedding=known[n], features=known[n]) for n, part in self.parts.items()}
        return self.once("at_features", lambda: of_parts(parts))


def of_parts(parts: Mapping[str, Predictions]) -> ModelPredictions:
    """A model from its five splits by name, without a head."""
    retain, forget, val, test_retain, test_forget = (parts[name] for name in SPLITS)
    return ModelPredictions(retain, forget, val, test_retain, test_forget)
