"""U-LiRA: per-example membership inference with shadow models that were themselves unlearned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from cu.metrics.case import Case
from cu.metrics.findings import Floats, Shadows
from cu.metrics.notes import tpr_at
from cu.metrics.primitives import auc
from cu.metrics.spec import AUC, RATE, UNDECIDABLE, metric

Doubles = NDArray[np.float64]

# With fewer models in both worlds together, a spread of each sample's own is worse than one for all samples.
ENOUGH_FOR_OWN_SPREAD = 64
SMALLEST_SPREAD = 1e-6
READ_OUTS = ("auc", "bacc", "tpr@0.01", "tpr@0.001", "example_median", "example_p95", "example_max")

MARGINS = {"": UNDECIDABLE, "auc": AUC, "bacc": RATE, "example_median": RATE}


def likelihood_ratios(first: Floats, second: Floats, *, pooled: bool) -> tuple[Doubles, Doubles]:
    """Log-likelihood ratio of the first world over the second for every value, fitted on the other models.

    A normal distribution per sample and world. To judge row j of either world, row j of both is left out of the fits:
    leaving out one value alone would give the two worlds fits of unequal size, and a bias below chance.

    Args:
        first: Statistic [n, q] of q samples under n models of the first world, n >= 3.
        second: The same [n, q] in the second world.
        pooled: One spread for all samples of a world (root mean variance) instead of each sample's own.

    Returns:
        Ratios [n, q] of the values of the first world, and of the second; larger speaks for the first.
    """
    a, b = first.astype(np.float64), second.astype(np.float64)
    if a.shape != b.shape or len(a) < 3:
        raise ValueError(f"two worlds need equally many models, at least 3 each: got {len(a)} and {len(b)}")
    rows = [row_ratios(a, b, j, pooled=pooled) for j in range(len(a))]
    members, others = (np.stack(world) for world in zip(*rows, strict=True))
    return members, others


def row_ratios(first: Doubles, second: Doubles, j: int, *, pooled: bool) -> tuple[Doubles, Doubles]:
    """Of row j of two worlds [n, q], the ratios [q] by fits without it; see `likelihood_ratios`."""
    (mean, spread), (other_mean, other_spread) = (
        fit_normals(np.delete(world, j, axis=0), pooled=pooled) for world in (first, second)
    )
    a, b = (norm.logpdf(w[j], mean, spread) - norm.logpdf(w[j], other_mean, other_spread) for w in (first, second))
    return a, b


def pools_spread(models: int) -> bool:
    """Whether one spread serves all samples where each world has so many models."""
    return 2 * models < ENOUGH_FOR_OWN_SPREAD


def fit_normals(values: Doubles, *, pooled: bool) -> tuple[Doubles, Doubles]:
    """Mean and standard deviation of each column of values [n, q]; `pooled` is one deviation for all columns."""
    variance = values.var(axis=0, ddof=1)
    spread = np.sqrt(np.full_like(variance, variance.mean()) if pooled else variance)
    return values.mean(axis=0), np.maximum(spread, SMALLEST_SPREAD)


def attack(first: Floats, second: Floats) -> dict[str, float]:
    """What an attacker achieves who tells two worlds apart, all samples and target models together.

    Args:
        first: Margins [n, q] of members.
        second: Margins [n, q] of non-members.

    Returns:
        In [0, 1]: `auc`; `bacc`, mean accuracy of the ratio's sign on both sides, ties counting half; `tpr@0.01` and
        `tpr@0.001`; `example_median`, `example_p95` and `example_max`, quantiles over samples of that accuracy.
    """
    members, others = likelihood_ratios(first, second, pooled=pools_spread(len(first)))
    examples = example_accuracy(members, others)
    return {
        **told_apart(members, others),
        "example_median": float(np.median(examples)),
        # An observed value: with n models per world an accuracy is one of 4n + 1 numbers.
        "example_p95": float(np.percentile(examples, 95, method="higher")),
        "example_max": float(examples.max()),
    }


def told_apart(members: Doubles, others: Doubles) -> dict[str, float]:
    """`auc`, `bacc` and `tpr@...` of an attack, from the ratios of either world in any shape; see `attack`."""
    right = (np.sign(members).mean() - np.sign(others).mean()) / 4 + 0.5
    rates = {f"tpr@{alpha}": tpr_at(members.ravel(), others.ravel(), alpha) for alpha in (0.01, 0.001)}
    return {"auc": auc(members.ravel(), others.ravel()), "bacc": float(right), **rates}


def example_accuracy(members: Floats, others: Floats) -> Doubles:
    """How often the sign of the ratio is right about each sample, over the models of both worlds; ties count half.

    Args:
        members: Log-likelihood ratios [n, q] in the first world.
        others: The same [n, q] in the second.

    Returns:
        [q], in [0, 1]; 0.5 is guessing. A mean hides the few samples that are always recognised.
    """
    return (np.sign(members).mean(axis=0) - np.sign(others).mean(axis=0)) / 4 + 0.5


@metric(
    keys=tuple(f"mia/ulira_priv_{name}" for name in READ_OUTS),
    needs=(Shadows,),
    scenarios=("sample",),
    version=2,
    margin=MARGINS,
)
def ulira_privacy(case: Case, /) -> dict[str, float]:
    """U-LiRA, privacy game: was a sample trained on and forgotten, or never seen, told from an unlearned model.

    This is what an attacker from outside faces. The target is the value of retrained models dealt into two worlds,
    about 0.5 (AUC, balanced accuracy, median over samples) and the false-positive rate (TPR); the largest accuracies
    over samples are above 0.5 even there. The original's value is that of models before unlearning.
    """
    shadows = case.findings[Shadows]
    assert shadows.unseen is not None
    found = attack(shadows.forgotten, shadows.unseen)
    return {f"mia/ulira_priv_{name}": value for name, value in found.items()}


@metric(keys=tuple(f"mia/ulira_eff_{name}" for name in READ_OUTS), needs=(Shadows,), version=2, margin=MARGINS)
def ulira_efficacy(case: Case, /) -> dict[str, float]:
    """U-LiRA, efficacy game: is a sample's margin that of an unlearned model, or of one retrained without it.

    How close unlearning comes to retraining, per example. The target is the value of retrained against retrained
    models, see `ulira_privacy`; the original's value is that of models before unlearning. In class scenarios all
    samples of a model are forgotten together: its evidence is the number of shadows.
    """
    found = attack(case.findings[Shadows].forgotten, case.findings[Shadows].retrained)
    return {f"mia/ulira_eff_{name}": value for name, value in found.items()}
