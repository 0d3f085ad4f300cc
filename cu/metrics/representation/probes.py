"""What a fresh classifier on frozen embeddings still knows of what was forgotten."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from cu.metrics.capped import CAPPED_DRAWS, capped_note, class_subset, of_classes, with_note
from cu.metrics.case import Case
from cu.metrics.drawn import Drawn, averaged, drawn
from cu.metrics.findings import Floats
from cu.metrics.folds import paired_folds
from cu.metrics.notes import saturated
from cu.metrics.predictions import Integers, Predictions
from cu.metrics.primitives import auc
from cu.metrics.remembered import remembered
from cu.metrics.representation.training_rows import few_shot_rows, stratified_rows, training_pool
from cu.metrics.rows import pieces
from cu.metrics.spec import ACCURACY, AUC, metric

# Fixed, because a probe is an instrument: numbers of different runs must come from the same one.
LINEAR_C = 1.0
MEMBER_C = 0.01
MEMBER_FOLDS = 5
FEW = 10
MAX_CLASSES = 100


def logistic_probe(inverse_penalty: float, class_weight: str | None = None) -> Pipeline:
    """Multinomial logistic regression on standardised features, its statistics taken from its own training rows."""
    regression = LogisticRegression(C=inverse_penalty, class_weight=class_weight, tol=1e-3, max_iter=2000)
    return make_pipeline(StandardScaler(), regression)


def cross_fitted_auc(members: Floats, non_members: Floats, label: Integers, rng: np.random.Generator) -> float:
    """AUC of out-of-fold scores (5 folds) of a logistic probe that tells members from non-members.

    Args:
        members: [n1, D].
        non_members: [n2, D].
        label: Classes of the members and then of the non-members [n1 + n2]; folds have both in the same shares.
        rng: Decides the folds.

    Returns:
        About 0.5 where embeddings hold nothing of membership; NaN with fewer than two samples on a side.
    """
    folds = min(MEMBER_FOLDS, len(members), len(non_members))
    if folds < 2:
        return float("nan")
    features = np.concatenate([members, non_members]).astype(np.float64)
    member = np.repeat([1, 0], [len(members), len(non_members)])
    score = np.empty(len(member))
    for known, judged in paired_folds(label, member, folds, rng):
        probe = logistic_probe(MEMBER_C, class_weight="balanced").fit(features[known], member[known])
        score[judged] = probe.decision_function(features[judged])
    return auc(score[member == 1], score[member == 0])


def _probe_accuracy(embedding: Floats, label: Integers, tests: tuple[Predictions, ...]) -> list[float]:
    if len(np.unique(label)) < 2:
        return [float("nan")] * len(tests)
    probe = logistic_probe(LINEAR_C).fit(embedding.astype(np.float64), label)
    return [_share_right(probe, test) if len(test) else float("nan") for test in tests]


def _share_right(probe: Pipeline, test: Predictions) -> float:
    right = [
        probe.predict(test.embedding[cut].astype(np.float64)) == test.label[cut]
        for cut in pieces(*test.embedding.shape)
    ]
    return float(np.concatenate(right).mean())


def few_shot_accuracy(
    case: Case, shots: int, most: int, draws: int, rng: np.random.Generator, max_classes: int = MAX_CLASSES
) -> Drawn:
    """Accuracy on forgotten test samples of a linear probe on `few_shot_rows` of the training pool, mean of draws."""
    classes = class_subset(case, max_classes)
    embedding, label = training_pool(case, classes)
    test = of_classes(case.model.test_forget, classes)
    width, draws = embedding.shape[1], draws if len(classes) == case.num_classes else min(draws, CAPPED_DRAWS)
    chosen = [few_shot_rows(label, case.forget_classes, shots, most, rng, width) for _ in range(draws)]
    found = drawn([_probe_accuracy(embedding[rows], label[rows], (test,))[0] for rows in chosen])
    note = capped_note(len(classes), case.num_classes, "classes")
    return Drawn(found, found.std, "; ".join(filter(None, [found.note, note])))


@metric(
    keys=("probe/linear_forget_test_acc", "probe/linear_retain_test_acc"),
    scenarios=("class",),
    version=2,
    margin=ACCURACY,
)
@remembered
def linear_probe(
    case: Case,
    /,
    *,
    max_train: Annotated[int, Gt(0)],
    draws: Annotated[int, Ge(2)],
    max_classes: Annotated[int, Ge(2)],
) -> dict[str, float]:
    """Test accuracy of a linear classifier trained on the frozen embeddings of all training samples, with true labels.

    Alain & Bengio 2016. Logistic regression, C = 1, on standardised features, solved by L-BFGS. The target is the
    retrained model's value: its features transfer to the forgotten class too. More is hidden knowledge, less is damage.

    Args:
        case: The judged model and what it is compared with.
        max_train: At most about this many training samples, each class in its share.
        draws: How many choices of them are averaged, where there are more; at most 3 where classes are left out.
        max_classes: Where there are more classes, this many are told apart, the same for all models.
    """
    classes = class_subset(case, max_classes)
    (embedding, label), whole = training_pool(case, classes), len(classes) == case.num_classes
    tests = tuple(of_classes(part, classes) for part in (case.model.test_forget, case.model.test_retain))

    def draw(number: int) -> dict[str, float]:
        rows = stratified_rows(label, max_train, case.generator(f"probes/linear/{number}"))
        forget, retain = _probe_accuracy(embedding[rows], label[rows], tests)
        return {"probe/linear_forget_test_acc": forget, "probe/linear_retain_test_acc": retain}

    found = averaged((draws if whole else min(draws, CAPPED_DRAWS)) if len(label) > max_train else 1, draw)
    return with_note(found, capped_note(len(classes), case.num_classes, "classes"))


@metric(keys=("probe/fewshot10_forget_acc",), scenarios=("class",), version=2, margin=ACCURACY)
@remembered
def few_shot_probe(
    case: Case,
    /,
    *,
    max_per_class: Annotated[int, Gt(0)],
    draws: Annotated[int, Ge(2)],
    max_classes: Annotated[int, Ge(2)],
) -> dict[str, float]:
    """Accuracy on forgotten test samples of a linear probe that saw 10 images of each forgotten class (mean of draws).

    Args:
        case: The judged model and what it is compared with.
        max_per_class: At most this many images of every retained class, and fewer where these were over 10,000 in all
            or their embeddings over 5,200,000 numbers.
        draws: How many random choices of images are averaged; at most 3 where classes are left out.
        max_classes: Where there are more classes, this many are told apart, the same for all models.
    """
    accuracy = few_shot_accuracy(case, FEW, max_per_class, draws, case.generator("probes/few_shot"), max_classes)
    return {"probe/fewshot10_forget_acc": accuracy}


@metric(keys=("probe/member_auc",), scenarios=("sample",), version=2, margin=AUC)
@remembered
def member_probe(case: Case, /, *, max_train: Annotated[int, Ge(20)], draws: Annotated[int, Ge(2)]) -> dict[str, float]:
    """AUC of a linear probe that tells forget samples from class-matched test samples by their embeddings.

    Out-of-fold scores of logistic regression with C = 0.01 (5 folds, stratified by class and membership together), so
    that wide embeddings do not overfit. The target is the retrained model's value, about 0.5.

    Args:
        case: The judged model and what it is compared with.
        max_train: At most half as many samples of each side.
        draws: How many choices of test samples and folds are averaged.
    """

    def draw(number: int) -> dict[str, float]:
        rng = case.generator(f"probes/member/{number}")
        sides = [part.take(rng.permutation(len(part))[: max_train // 2]) for part in parts(number)]
        label = np.concatenate([side.label for side in sides])
        area = cross_fitted_auc(sides[0].embedding, sides[1].embedding, label, rng)
        return {"probe/member_auc": saturated(area, min(map(len, sides)), low=0.0)}

    def parts(number: int) -> tuple[Predictions, Predictions]:
        return case.model.forget, case.matched_non_members(draw=number)

    return averaged(draws, draw)
