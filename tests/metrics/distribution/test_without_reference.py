import numpy as np
import pytest

from cu.metrics.case import Case, ModelPredictions, Predictions
from cu.metrics.distribution.without_reference import agreement_with_original, second_choice


def part(logits, label):
    count = len(label)
    return Predictions(
        np.array(logits, np.float32), np.zeros((count, 1), np.float32), np.array(label), np.arange(count)
    )


def case(forgotten, kept, before, scenario="class"):
    def model(test_retain):
        empty = part(np.zeros((0, 3)), np.zeros(0, int))
        own = {"forget": forgotten, "test_forget": forgotten if scenario == "class" else empty}
        return ModelPredictions(retain=empty, val=empty, test_retain=test_retain, **own)

    return Case(model(kept), (), model(before), scenario, (2,), 3)


KEPT = part([[3, 0, 0], [0, 3, 0], [0, 3, 0], [3, 0, 0]], [0, 1, 1, 0])
BEFORE = part([[3, 0, 0], [0, 3, 0], [3, 0, 0], [3, 0, 0]], [0, 1, 1, 0])


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_second_choices_are_counted_by_hand(scenario):
    # second choices 2 (true), 2 (true), 1, 0, 0
    logits = [[5, 1, 3], [1, 5, 3], [5, 3, 1], [3, 5, 1], [3, 1, 5]]
    found = second_choice(case(part(logits, [2] * 5), KEPT, BEFORE, scenario))
    assert found == {"leak/true_second": 0.4, "leak/wrong_second": 0.4}


def test_agreement_is_with_the_original_on_what_is_kept():
    assert agreement_with_original(case(KEPT, KEPT, BEFORE)) == {"agree/retain_test_original": 0.75}


def test_nothing_forgotten_is_undefined():
    empty = part(np.zeros((0, 3)), np.zeros(0, int))
    assert np.isnan(list(second_choice(case(empty, KEPT, BEFORE)).values())).all()
