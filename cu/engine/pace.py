"""How fast training is here and now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import median

from cu.data.types import Split
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.recipe import Recipe
from cu.models.types import Classifier

STEPS = 12
UNTIMED = 2
MOST_SECONDS = 5.0


def seconds_per_sample(split: Split, recipe: Recipe, context: MethodContext) -> float | None:
    """Seconds per training sample of a few steps of ordinary training of a new model; None if there is no full step.

    The model is thrown away. At most `STEPS` steps, fewer once `MOST_SECONDS` have passed; the median does not mind a
    step that something else got in the way of.
    """
    clock, hardware, stamps = context.ledger.clock, context.hardware, []

    def enough(model: Classifier, step: int, pass_ended: bool) -> bool:
        hardware.synchronize()
        stamps.append(clock())
        long = len(stamps) > UNTIMED + 1 and stamps[-1] - stamps[0] > MOST_SECONDS
        return long or len(stamps) >= STEPS + UNTIMED

    once = replace(recipe, epochs=2, schedule="constant")
    fit(
        context.new_model(),
        context.batches(split, recipe),
        cross_entropy,
        once,
        context,
        after_step=enough,
        name="timing",
    )
    steps = [later - earlier for earlier, later in zip(stamps[UNTIMED - 1 :], stamps[UNTIMED:], strict=False)]
    return median(steps) / min(recipe.batch_size, len(split)) if steps else None


def retimed(cost: Mapping[str, float], pace: float | None) -> dict[str, float]:
    """The cost of a stored training in the seconds that it would take at a pace measured beside the judged method.

    What the clock said when the model was trained is that of another hour, load or machine. Without a pace the cost
    is as stored, and says so by the lack of one.
    """
    if pace is None:
        return dict(cost)
    samples = cost["samples_seen_retain"] + cost["samples_seen_forget"]
    return {**cost, "unlearn_seconds": pace * samples, "retrain_seconds_per_sample": pace}
