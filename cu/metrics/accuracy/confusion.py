"""Whether a model still confuses two classes whose labels were swapped in what it was made to forget."""

from __future__ import annotations

import numpy as np

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.predictions import Predictions
from cu.metrics.spec import RATE, metric


def confusion_rates(predicted: np.ndarray, label: np.ndarray, classes: tuple[int, ...]) -> tuple[float, float]:
    """Shares of the samples of some classes that are misclassified, and that are taken for another of these classes.

    Args:
        predicted: int64 [N].
        label: int64 [N]; samples of other classes do not count.
        classes: The classes.

    Returns:
        Both in [0, 1], the second no larger than the first; NaN without a sample of the classes.
    """
    of_classes = np.isin(label, classes)
    wrong = (predicted != label)[of_classes]
    return primitives.mean(wrong), primitives.mean(wrong & np.isin(predicted, classes)[of_classes])


@metric(
    keys=("ic/error", "ic/fgt", "ic/retain_error", "ic/retain_fgt"),
    needs=("confusion",),
    scenarios=("sample",),
    margin=RATE,
)
def interclass_confusion(case: Case, /) -> dict[str, float]:
    """The interclass confusion test: errors on the two classes whose labels were swapped, in [0, 1].

    `error` is the share of their samples that is misclassified, `fgt` the share that is taken for the other of the
    two; on the test set, and as `retain_...` on the training samples that kept their label. The target is the
    retrained model, which is near 0; here alone, forgetting pays in accuracy. Goel et al., arXiv 2201.06640 (who count
    `fgt`; here it is a share).
    """

    def rates(part: Predictions) -> tuple[float, float]:
        return confusion_rates(primitives.predicted(part.logits), part.label, case.confused_classes)

    (error, fgt), (retain_error, retain_fgt) = rates(case.model.test_retain), rates(case.model.retain)
    return {"ic/error": error, "ic/fgt": fgt, "ic/retain_error": retain_error, "ic/retain_fgt": retain_fgt}
