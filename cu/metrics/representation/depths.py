"""The same metrics one step earlier: of the pooled features that enter the head instead of the embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import wraps
from typing import Any

from cu.metrics.case import Case
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


linear_probe_h = of_features(linear_probe)
few_shot_probe_h = of_features(few_shot_probe)
neighbour_probes_h = of_features(neighbour_probes)
member_probe_h = of_features(member_probe)
cka_to_retrained_h = of_features(cka_to_retrained)
cka_to_original_h = of_features(cka_to_original)
cka_shift_h = of_features(cka_shift)
mmd_to_retrained_h = of_features(mmd_to_retrained)
