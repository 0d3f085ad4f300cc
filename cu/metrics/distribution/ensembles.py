"""Whether a group of unlearned models is distributed as a group of retrained models, sample by sample."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt

from cu.metrics.case import Case
from cu.metrics.distribution.forgetting_score import challenge_score, forgetting_score
from cu.metrics.distribution.margin_divergence import gaussian_divergence, histogram_divergence, summary
from cu.metrics.findings import Ensembles
from cu.metrics.spec import metric

SPLITS = ("forget", "retain", "val")
SUMMARIES = ("mean", "median", "p95")
ENOUGH_FOR_HISTOGRAMS = 50
EPSILON_KEYS = ("dist/eps_mean", "dist/eps_median", "dist/eps_p95", "dist/eps_undefined")


def _keys(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}_{split}_{name}" for split in SPLITS for name in SUMMARIES)


def _ensembles(case: Case) -> Ensembles:
    return case.findings[Ensembles]


@metric(keys=("dist/eps_score", "dist/challenge_score"), direction="higher", needs=(Ensembles,))
def forgetting_scores(case: Case, /) -> dict[str, float]:
    """Forgetting score of the NeurIPS 2023 challenge, and the same times the ratios of utility.

    In [0, 1], but 1 is unreachable: the reference value is that of retrained against as many other retrained models.
    Utility is the mean accuracy on retain samples and on the test set.
    """
    judged, retrained = _ensembles(case).judged, _ensembles(case).retrained
    score = forgetting_score(judged.forget, retrained.forget)["dist/eps_score"]
    utility = (judged.retain_acc, retrained.retain_acc, judged.test_acc, retrained.test_acc)
    return {"dist/eps_score": score, "dist/challenge_score": challenge_score(score, *utility)}


@metric(keys=EPSILON_KEYS, direction="lower", needs=(Ensembles,))
def forgetting_epsilons(case: Case, /) -> dict[str, float]:
    """Epsilon of the best attack on single forget samples, in [0, 50], and the share of samples without an estimate.

    The reference value is that of retrained against as many other retrained models, well above 0.
    """
    found = forgetting_score(_ensembles(case).judged.forget, _ensembles(case).retrained.forget)
    return {key: found[key] for key in EPSILON_KEYS}


@metric(keys=_keys("dist/klom"), direction="lower", needs=(Ensembles,))
def klom(case: Case, /, *, bins: Annotated[int, Gt(0)]) -> dict[str, float]:
    """KL divergence of margins in nats, by histograms (Georgiev et al. 2025); NaN with fewer than 50 models per group.

    With few models histograms measure their number: two groups of 20 of one distribution are 3 nats apart. The
    reference value is that of retrained against as many other retrained models.

    Args:
        case: The groups.
        bins: Bins between the joint minimum and maximum; part of the definition, 20 in the source.
    """
    judged, retrained = _ensembles(case).judged, _ensembles(case).retrained
    if min(len(judged), len(retrained)) < ENOUGH_FOR_HISTOGRAMS:
        return dict.fromkeys(_keys("dist/klom"), float("nan"))
    values: dict[str, float] = {}
    for split in SPLITS:
        divergence = histogram_divergence(getattr(retrained, split), getattr(judged, split), bins=bins)
        values |= summary(divergence, f"dist/klom_{split}")
    return values


@metric(keys=_keys("dist/klom_gauss"), direction="lower", needs=(Ensembles,))
def klom_gauss(case: Case, /) -> dict[str, float]:
    """KL divergence of margins in nats between normal distributions, for groups too small for histograms.

    The reference value is that of retrained against as many other retrained models: about 0.12 for 20 per group.
    """
    judged, retrained = _ensembles(case).judged, _ensembles(case).retrained
    values: dict[str, float] = {}
    for split in SPLITS:
        divergence = gaussian_divergence(getattr(retrained, split), getattr(judged, split))
        values |= summary(divergence, f"dist/klom_gauss_{split}")
    return values
