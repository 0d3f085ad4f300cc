"""Membership inference calibrated per example, with the retrained models as the reference that never saw it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from cu.metrics.case import Case
from cu.metrics.drawn import averaged
from cu.metrics.findings import Floats
from cu.metrics.notes import saturated, tpr_at
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.primitives import auc, margin
from cu.metrics.spec import AUC, UNDECIDABLE, metric

Doubles = NDArray[np.float64]


def lira_offline_score(margin_judged: Floats, margin_out: Floats) -> Doubles:
    """Offline LiRA score [n] (Carlini et al. 2022, section V-C): margin above the mean of the models without x.

    The spread is pooled over all samples where references are few, hence one factor for all scores, which leaves every
    ranking as it is; it is left out, so that one reference model is enough.

    Args:
        margin_judged: Logit-scaled confidences [n] of the judged model.
        margin_out: The same [K, n] of K models that were not trained on these samples.

    Returns:
        Larger is more member-like.
    """
    return margin_judged.astype(np.float64) - margin_out.astype(np.float64).mean(axis=0)


def rmia_log_ratio(margin_judged: Floats, margin_out: Floats, offline_a: float) -> Doubles:
    """Log of a sample's probability over its offline prior, [n] (RMIA, Zarifzadeh et al. 2024).

    The prior is ((1 + a) * out + 1 - a) / 2, `out` the mean probability under models not trained on the sample. Taken
    from margins, where probabilities would round to 1 and tie.

    Args:
        margin_judged: Logit-scaled confidences [n] of the judged model.
        margin_out: The same [K, n] of K models that were not trained on these samples.
        offline_a: a, in [0, 1].
    """
    out, miss = expit(margin_out.astype(np.float64)).mean(axis=0), expit(-margin_out.astype(np.float64)).mean(axis=0)
    with np.errstate(divide="ignore"):  # a = 1 and a sample impossible for all references: an unbounded ratio
        low = np.log(((1 + offline_a) * out + 1 - offline_a) / 2)
        high = np.log1p(-np.minimum((1 + offline_a) * miss / 2, 1))
    return log_expit(margin_judged.astype(np.float64)) - np.where(miss < 0.5, high, low)


def rmia_score(log_ratio: Floats, log_ratio_population: Floats, gamma: float) -> Doubles:
    """RMIA score [n]: share of population samples z with ratio(x) / ratio(z) >= gamma, ties included.

    Args:
        log_ratio: [n], see `rmia_log_ratio`.
        log_ratio_population: [Z] of samples no model was trained on, Z >= 1.
        gamma: Above 0, usually 1 or 2.

    Returns:
        In [0, 1], larger is more member-like.
    """
    population = np.sort(log_ratio_population)
    return np.searchsorted(population, log_ratio - np.log(gamma), side="right") / len(population)


def _margins(judged: Predictions, references: list[Predictions]) -> tuple[Doubles, Doubles]:
    """Margins [n] of the judged model and [K, n] of the references on the same samples."""
    for reference in references:
        assert np.array_equal(judged.id, reference.id), "the models were not scored on the same samples"
    return margin(judged.logits, judged.label), np.stack([margin(split.logits, split.label) for split in references])


def _population(case: Case, model: ModelPredictions, draw: int) -> Predictions:
    """Samples no model was trained on and the attack is not judged on: `val`, else at most half of the retain test."""
    if len(case.model.val):
        return model.val
    test = case.model.test_retain
    free = np.flatnonzero(~np.isin(test.id, case.matched_non_members(case.model, draw).id))
    rows = case.generator(f"rmia/population/{draw}").permutation(free)[: len(test) // 2]
    return model.test_retain.take(np.sort(rows))


def _sides(case: Case, draw: int) -> tuple[tuple[Doubles, Doubles], tuple[Doubles, Doubles]]:
    """Margins of the forget set and of class-matched test samples."""
    unseen = [case.matched_non_members(model, draw) for model in (case.model, *case.retrained)]
    forget = [model.forget for model in (case.model, *case.retrained)]
    return _margins(forget[0], forget[1:]), _margins(unseen[0], unseen[1:])


def _read_out(name: str, members: Doubles, non_members: Doubles) -> dict[str, float]:
    area = saturated(auc(members, non_members), min(len(members), len(non_members)), low=0.0)
    return {f"{name}_auc": area, f"{name}_tpr@0.01": tpr_at(members, non_members, 0.01)}


@metric(
    keys=("mia/rmia_auc", "mia/rmia_tpr@0.01"),
    needs=("retrained",),
    version=2,
    margin={"auc": AUC, "tpr@0.01": UNDECIDABLE},
)
def rmia(
    case: Case,
    /,
    *,
    gamma: Annotated[float, Gt(0)],
    offline_a: Annotated[float, Ge(0), Le(1)],
    draws: Annotated[int, Ge(2)],
) -> dict[str, float]:
    """Offline RMIA of the forget set against class-matched test samples; the retrained models are the references.

    The target is the value of a left-out retrained model, about 0.5 (AUC) and 0.01 (TPR). Of little power in
    class scenarios, where no reference knows the class.

    Args:
        case: The judged model and what it is compared with.
        gamma: How much likelier a sample must be than one of the population.
        offline_a: How the mean probability of the references becomes a prior; 1 takes it as it is.
        draws: How many choices of test samples are averaged, where there is a choice.
    """

    def draw(number: int) -> dict[str, float]:
        asked = [_population(case, model, number) for model in (case.model, *case.retrained)]
        sides = (*_sides(case, number), _margins(asked[0], asked[1:]))
        members, non_members, population = (rmia_log_ratio(*side, offline_a) for side in sides)
        if not len(population):
            return {"mia/rmia_auc": float("nan"), "mia/rmia_tpr@0.01": float("nan")}
        return _read_out("mia/rmia", *(rmia_score(side, population, gamma) for side in (members, non_members)))

    return averaged(draws if not len(case.model.val) else case.non_member_draws(draws), draw)


@metric(
    keys=("mia/lira_off_auc", "mia/lira_off_tpr@0.01"),
    needs=("retrained",),
    version=2,
    margin={"auc": AUC, "tpr@0.01": UNDECIDABLE},
)
def lira_offline(case: Case, /, *, draws: Annotated[int, Ge(2)]) -> dict[str, float]:
    """Offline LiRA of the forget set against class-matched test samples; the retrained models are the references.

    The target is the value of a left-out retrained model, about 0.5 (AUC) and 0.01 (TPR). In sample scenarios the mean
    of `draws` choices of test samples.
    """

    def draw(number: int) -> dict[str, float]:
        return _read_out("mia/lira_off", *(lira_offline_score(*side) for side in _sides(case, number)))

    return averaged(case.non_member_draws(draws), draw)
