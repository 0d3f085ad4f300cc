"""The same metrics at other depths: of what enters the head, and of the pooled output of every block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import wraps
from typing import Any

from cu.metrics.case import Case
from cu.metrics.findings import DEPTHS, Stages
from cu.metrics.representation.discrepancy import mmd_to_retrained
from cu.metrics.representation.neighbour_probes import neighbour_probes
from cu.metrics.representation.probes import few_shot_probe, linear_probe, member_probe
from cu.metrics.representation.similarity import cka_shift, cka_to_original, cka_to_retrained


def feature_key(key: str) -> str:
    """A key of the embedding as that of the features: `probe/...` becomes `probe_h/...`."""
    return key.replace("/", "_h/", 1)


def at_features(case: Case) -> Case:
    """The case in which every model shows what enters its head; the models themselves where that is the embedding."""
    model, *retrained = (one.at_features() for one in (case.model, *case.retrained))
    original = case.original and case.original.at_features()
    assert model is not None
    return replace(case, model=model, retrained=tuple(filter(None, retrained)), original=original)


def of_features(function: Any) -> Any:
    """A metric of embeddings as one of features, under keys of its own; equal to it where the head has no projection.

    Directions, margins and settings stay. The work is done once where both representations are the same.
    """
    spec = function.spec

    @wraps(function)
    def measured(case: Case, /, **settings: Any) -> Mapping[str, float]:
        return {feature_key(key): value for key, value in function(at_features(case), **settings).items()}

    measured.spec = replace(  # type: ignore[attr-defined]
        spec,
        keys=tuple(map(feature_key, spec.keys)),
        needs=spec.needs | {"features"},
        margins={feature_key(key): margin for key, margin in spec.margins.items()},
        version=1,
    )
    return measured


def stage_key(key: str, depth: int) -> str:
    """A key of the embedding as that of a depth, from 1: `probe/linear_...` becomes `probe/layer3_linear_...`."""
    return key.replace("/", f"/layer{depth}_", 1)


def at_stage(case: Case, number: int) -> Case:
    """The case in which every model shows the pooled output of a block, numbered from 0."""
    found = case.findings[Stages]
    others = tuple(one[number] for one in found.retrained)
    return replace(case, model=found.judged[number], retrained=others, original=found.original[number])


def of_stages(function: Any) -> Any:
    """A metric of embeddings as one of all depths of the encoder that an audit has looked at."""
    spec = function.spec

    @wraps(function)
    def measured(case: Case, /, **settings: Any) -> Mapping[str, float]:
        found = {depth: function(at_stage(case, depth - 1), **settings) for depth in range(1, DEPTHS + 1)}
        return {stage_key(key, depth): value for depth, values in found.items() for key, value in values.items()}

    measured.spec = replace(  # type: ignore[attr-defined]
        spec,
        keys=tuple(stage_key(key, depth) for depth in range(1, DEPTHS + 1) for key in spec.keys),
        needs=spec.needs | {Stages},
        margins={stage_key(k, depth): margin for k, margin in spec.margins.items() for depth in range(1, DEPTHS + 1)},
        version=2,
    )
    return measured


linear_probe_h = of_features(linear_probe)
few_shot_probe_h = of_features(few_shot_probe)
neighbour_probes_h = of_features(neighbour_probes)
member_probe_h = of_features(member_probe)
cka_to_retrained_h = of_features(cka_to_retrained)
cka_to_original_h = of_features(cka_to_original)
cka_shift_h = of_features(cka_shift)
mmd_to_retrained_h = of_features(mmd_to_retrained)

linear_probe_stages = of_stages(linear_probe)
few_shot_probe_stages = of_stages(few_shot_probe)
neighbour_probes_stages = of_stages(neighbour_probes)
mmd_to_retrained_stages = of_stages(mmd_to_retrained)
