"""Whether a forgotten class is spread over the retained classes as retraining spreads it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from cu.metrics.capped import CAPPED_DRAWS, capped_note, with_note
from cu.metrics.case import Case
from cu.metrics.drawn import averaged
from cu.metrics.findings import Floats
from cu.metrics.predictions import Integers, ModelPredictions
from cu.metrics.primitives import jensen_shannon, softmax
from cu.metrics.spec import metric

Doubles = NDArray[np.float64]
SVM_C = 1.0


def retained_logits(logits: Floats, forget_classes: tuple[int, ...]) -> Floats:
    """Logits [n, C - F] without the columns of forgotten classes: their softmax is the renormalised one."""
    return np.delete(logits, list(forget_classes), axis=1)


def mean_profile(logits: Floats) -> Doubles:
    """Mean softmax [C] over samples, NaN without a sample."""
    return softmax(logits).mean(axis=0) if len(logits) else np.full(logits.shape[1], np.nan)


def acceptance_rates(train: Floats, train_class: Integers, probe: Floats, num_classes: int) -> Doubles:
    """Share of `probe` that a balanced one-against-rest linear SVM of each class takes for that class.

    Args:
        train: Logits [m, d], standardised here.
        train_class: [m], in [0, num_classes).
        probe: Logits [n, d], n >= 1.
        num_classes: Number of classes.

    Returns:
        [num_classes]; NaN for a class without a training sample or without another class to tell it from.
    """
    rates = np.full(num_classes, np.nan)
    classes = np.unique(train_class)
    if len(classes) < 2:
        return rates
    scaler = StandardScaler().fit(train.astype(np.float64))
    known, asked = scaler.transform(train.astype(np.float64)), scaler.transform(probe.astype(np.float64))
    for c in classes:
        svm = LinearSVC(C=SVM_C, class_weight="balanced", dual="auto", tol=1e-3, random_state=0)
        rates[c] = np.mean(svm.fit(known, train_class == c).predict(asked))
    return rates


@metric(keys=("cmia/profile_js",), direction="lower", needs=("retrained",), scenarios=("class",), identical=0.0)
def class_profile(case: Case, /) -> dict[str, float]:
    """Jensen-Shannon divergence (bits, in [0, 1]) of mean predictions on forgotten test samples from the retrained's.

    The forget classes are left out and the rest renormalised; mean over retrained models. Lower is closer to
    retraining; two retrained models do not reach 0, so read it beside `ref`.
    """
    judged, *targets = (
        mean_profile(retained_logits(model.test_forget.logits, case.forget_classes))
        for model in (case.model, *case.retrained)
    )
    if np.isnan(judged).any():
        return {"cmia/profile_js": float("nan")}
    pairs = np.broadcast_to(judged, (len(targets), len(judged)))
    return {"cmia/profile_js": float(np.mean(jensen_shannon(pairs, np.stack(targets))))}


def _rates(model: ModelPredictions, rows: Integers, classes: Integers) -> Doubles:
    def rates() -> Doubles:
        known, asked = model.test_retain.logits[rows], np.asarray(model.test_forget.logits)
        label = np.searchsorted(classes, model.test_retain.label[rows])
        return acceptance_rates(known[:, classes], label, asked[:, classes], len(classes))

    return model.once(("acceptance_rates", classes.tobytes(), rows.tobytes()), rates)


def _asked_classes(profile: Doubles, case: Case, most: int) -> Integers:
    """The retained classes [n], ascending: all of them, or the `most` to which retraining gives the forgotten class."""
    kept = np.setdiff1d(np.arange(case.num_classes), case.forget_classes)
    return np.sort(kept[np.argsort(-profile, kind="stable")[:most]])


@metric(
    keys=("cmia/gap_nn", "cmia/gap_mean", "cmia/gap_max"),
    direction="lower",
    needs=("retrained",),
    scenarios=("class",),
    version=2,
    identical=0.0,
)
def class_membership(
    case: Case,
    /,
    *,
    max_train: Annotated[int, Gt(0)],
    draws: Annotated[int, Ge(2)],
    max_classes: Annotated[int, Ge(2)],
) -> dict[str, float]:
    """How far the shares of forgotten test samples taken for each retained class are from the retrained models'.

    Our implementation of the class membership inference attack of Ebrahimpour-Boroojeny et al. (arXiv 2506.20893): each
    model gets its own linear SVMs (class against rest) on its logits of retained test samples, and `gap` is the
    absolute difference of acceptance rates on forgotten test samples, at the class most like the forgotten one (`nn`),
    on average and at worst. Lower is closer to retraining; read it beside `ref`. A mask on the forget logit can pass.

    Args:
        case: The judged model and what it is compared with.
        max_train: At most this many retained test samples train the SVMs.
        draws: How many choices of them are averaged, where there are more; at most 3 where classes are left out.
        max_classes: Where more classes are retained, the attack is among this many: those to which the retrained models
            give most probability on forgotten samples. Each model needs an SVM for each class.
    """
    test, names = case.model.test_retain, ("cmia/gap_nn", "cmia/gap_mean", "cmia/gap_max")
    if not (len(test) and len(case.model.test_forget)):
        return dict.fromkeys(names, float("nan"))
    logits = (retained_logits(model.test_forget.logits, case.forget_classes) for model in case.retrained)
    profile = np.mean([mean_profile(part) for part in logits], axis=0)
    classes = _asked_classes(profile, case, max_classes)
    nearest = int(np.delete(np.arange(case.num_classes), list(case.forget_classes))[profile.argmax()])
    there = np.flatnonzero(np.isin(test.label, classes)) if len(classes) < len(profile) else np.arange(len(test))

    def draw(number: int) -> dict[str, float]:
        rows = there[case.generator(f"class_leakage/svm/{number}").permutation(len(there))[:max_train]]
        targets = np.mean([_rates(model, rows, classes) for model in case.retrained], axis=0)
        gap = np.abs(_rates(case.model, rows, classes) - targets)
        known = gap[~np.isnan(gap)]
        mean, worst = (float(known.mean()), float(known.max())) if len(known) else (float("nan"), float("nan"))
        return dict(zip(names, (float(gap[np.searchsorted(classes, nearest)]), mean, worst), strict=True))

    most = draws if len(classes) == len(profile) else min(draws, CAPPED_DRAWS)
    found = averaged(most if len(there) > max_train else 1, draw)
    return with_note(found, capped_note(len(classes), len(profile), "retained classes"))
