"""How far probes and accuracies together are from those of retrained models: what settings are chosen by."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from cu.metrics.accuracy.accuracy import accuracy
from cu.metrics.case import Case
from cu.metrics.representation.depths import few_shot_probe_h, linear_probe_h, neighbour_probes_h
from cu.metrics.representation.neighbour_probes import neighbour_probes
from cu.metrics.representation.probes import few_shot_probe, linear_probe
from cu.metrics.spec import metric


@metric(
    keys=("agg/probe_gap",),
    direction="lower",
    needs=("retrained", "features"),
    scenarios=("class",),
    identical=0.0,
)
def probe_gap(
    case: Case,
    /,
    *,
    max_train: Annotated[int, Gt(0)],
    max_per_class: Annotated[int, Gt(0)],
    draws: Annotated[int, Ge(2)],
    max_classes: Annotated[int, Ge(2)],
) -> dict[str, float]:
    """Mean absolute gap to the retrained models, half by probes, half by answers: in [0, 1], lower is better.

    One half is the mean gap of the probes on forgotten test samples, at the embedding and at what enters the head:
    linear, ten shots, nearest neighbours, class means. The other is that of the accuracies on forgotten and on
    retained test samples, so that a network that lost everything is not near. A gap counts on either side.

    Args:
        case: The judged model and what it is compared with.
        max_train: As in the probes.
        max_per_class: As in the few-shot probe.
        draws: As in the probes.
        max_classes: As in the probes.
    """
    linear = {"max_train": max_train, "draws": draws, "max_classes": max_classes}
    few = {"max_per_class": max_per_class, "draws": draws, "max_classes": max_classes}
    neighbours = {"max_train": max_train, "draws": draws}

    probes = [
        *((linear_probe, linear), (few_shot_probe, few), (neighbour_probes, neighbours)),
        *((linear_probe_h, linear), (few_shot_probe_h, few), (neighbour_probes_h, neighbours)),
    ]

    def probed(one: Case) -> list[float]:
        found = [probe(one, **settings) for probe, settings in probes]
        return [value for values in found for key, value in values.items() if "forget" in key]

    def answers(one: Case) -> list[float]:
        return [accuracy(part.logits, part.label) for part in (one.model.test_forget, one.model.test_retain)]

    others = [replace(case, model=model) for model in case.retrained]
    halves = [np.abs(np.subtract(of(case), np.mean([of(one) for one in others], axis=0))) for of in (probed, answers)]
    return {"agg/probe_gap": float(np.mean([half.mean() for half in halves]))}
