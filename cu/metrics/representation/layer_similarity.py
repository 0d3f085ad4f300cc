"""Layer by layer: how alike two models represent the same images on the way from the pixels to the embedding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cu.metrics.case import Case
from cu.metrics.findings import DEPTHS, Activations, Layers
from cu.metrics.representation.similarity import linear_cka
from cu.metrics.spec import COSINE, metric

IMAGES = ("forget", "retain")


def _keys(target: str) -> tuple[str, ...]:
    return tuple(f"cka/layer{depth}_{images}_to_{target}" for images in IMAGES for depth in range(1, DEPTHS + 1))


def _similarities(judged: Activations, others: Sequence[Activations], target: str) -> dict[str, float]:
    values = [
        float(np.mean([linear_cka(judged[images][depth], other[images][depth]) for other in others]))
        for images in IMAGES
        for depth in range(DEPTHS)
    ]
    return dict(zip(_keys(target), values, strict=True))


def _layers(case: Case) -> Layers:
    return case.findings[Layers]


@metric(keys=_keys("original"), needs=(Layers,), version=2, margin=COSINE)
def layers_to_original(case: Case, /) -> dict[str, float]:
    """Debiased linear CKA with the original model at five depths, from the first block to what enters the head.

    `forget`: forget samples and as many retained training samples; `retain`: retained test samples. At most 1, which
    means that the block represents the images as before. The target is the retrained model's value. Kornblith et al.
    2019, "Similarity of Neural Network Representations Revisited".
    """
    found = _layers(case)
    return _similarities(found.judged, [found.original], "original")


@metric(keys=_keys("retrain"), direction="higher", needs=(Layers, "retrained"), version=2, identical=1.0)
def layers_to_retrained(case: Case, /) -> dict[str, float]:
    """Debiased linear CKA with the retrained models (mean) at five depths of the encoder, see `layers_to_original`.

    Higher is closer to retraining; two retrained models do not reach 1, least of all in late blocks, so read it
    beside `ref`.
    """
    found = _layers(case)
    return _similarities(found.judged, found.retrained, "retrain")
