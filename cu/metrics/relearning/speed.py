"""How fast a model that is trained on the forget set again finds back to it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import NDArray

from cu.metrics.case import Case
from cu.metrics.findings import Floats, Relearning
from cu.metrics.predictions import Integers
from cu.metrics.spec import RATE, UNDECIDABLE, metric


def steps_to(accuracy: Floats, steps: Integers, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """First step at which accuracy reaches a threshold; the last step where it never does.

    Args:
        accuracy: [..., T] at `steps`.
        steps: [T], ascending.
        threshold: In [0, 1].

    Returns:
        Steps [...], and whether the threshold was never reached [...].
    """
    # Accuracies are counts over counts: a product that rounds up must not cost the sample that meets it.
    reached = accuracy >= threshold - 1e-9
    never = np.logical_not(reached.any(axis=-1, keepdims=True))[..., 0]
    return np.where(never, steps[-1], steps[reached.argmax(axis=-1)]), never


# Of the steps of an audit those that its curve is told by.
CURVE = (0, 1, 2, 5, 10, 20, 50, 100)


@metric(keys=tuple(f"relearn/curve@{step}" for step in CURVE), needs=(Relearning,), margin=RATE)
def relearning_curve(case: Case, /) -> dict[str, float]:
    """Accuracy on forget samples after so many steps of training on them again, in [0, 1]; mean over orders.

    NaN at steps that the audit did not look at. The whole curve says what one threshold cannot: how fast the model
    starts to remember, and how far it gets.
    """
    found = case.findings[Relearning]
    accuracy = dict(zip(found.steps.tolist(), found.judged.mean(axis=0).tolist(), strict=True))
    return {f"relearn/curve@{step}": accuracy.get(step, float("nan")) for step in CURVE}


@metric(keys=("relearn/steps", "relearn/ain", "relearn/unreached"), needs=(Relearning,), margin=UNDECIDABLE)
def relearning_speed(case: Case, /, *, tolerance: Annotated[float, Ge(0), Lt(1)]) -> dict[str, float]:
    """Steps until the original's accuracy on the forget set is back, and the anamnesis index.

    The index (Chundawat et al. 2023) is (steps + 1) / (steps of retrained models + 1), means over orders of the
    batches and retrained models: 1 is like retraining, far below 1 is hidden knowledge, far above 1 is damage. The
    reference value is that of a retrained model against the others, NaN where there is only one. Models that do not
    get there count with the largest number of steps; `relearn/unreached` is their share of the orders.

    Args:
        case: The judged model and what it is compared with.
        tolerance: Share of the original's accuracy that may be missing.
    """
    found = case.findings[Relearning]
    threshold = (1 - tolerance) * found.original_acc
    judged, never = steps_to(found.judged, found.steps, threshold)
    retrained, _ = steps_to(found.retrained, found.steps, threshold)
    index = float((judged + 1).mean() / (retrained + 1).mean()) if retrained.size else float("nan")
    return {"relearn/steps": float(judged.mean()), "relearn/ain": index, "relearn/unreached": float(never.mean())}
