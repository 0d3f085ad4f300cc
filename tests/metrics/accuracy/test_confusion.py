from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from cu.evaluation.suite import measure
from cu.metrics.accuracy.confusion import confusion_rates, interclass_confusion


def test_rates_of_a_hand_worked_case():
    # Four samples of classes 1 and 2, one right, one taken for the other, two for class 0; the rest does not count.
    label = np.array([1, 1, 2, 2, 0, 0])
    predicted = np.array([1, 2, 0, 0, 1, 2])
    assert confusion_rates(predicted, label, (1, 2)) == (0.75, 0.25)
    assert np.isnan(confusion_rates(predicted, label, (3, 4))).all()


def test_they_are_read_off_a_confusion_matrix(make_case):
    case = replace(make_case(boost={"test_retain": 0.5, "retain": 0.2}), confused_classes=(0, 3))
    found = interclass_confusion(case)
    for prefix, part in (("ic/", case.model.test_retain), ("ic/retain_", case.model.retain)):
        counts = confusion_matrix(part.label, part.logits.argmax(1))
        total = counts[[0, 3]].sum()
        assert found[f"{prefix}error"] == pytest.approx((total - counts[0, 0] - counts[3, 3]) / total)
        assert found[f"{prefix}fgt"] == pytest.approx((counts[0, 3] + counts[3, 0]) / total)
        assert 0 < found[f"{prefix}fgt"] < found[f"{prefix}error"]


def test_it_is_skipped_where_no_label_was_swapped(make_case):
    assert measure({"ic": interclass_confusion}, make_case())["ic/fgt"] == "skipped: needs confusion"
