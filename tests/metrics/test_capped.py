from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.accuracy.class_leakage import class_membership
from cu.metrics.capped import class_subset
from cu.metrics.membership.member_rate import member_rates
from cu.metrics.representation.probes import few_shot_probe, linear_probe


def test_all_classes_where_they_are_few(make_case):
    case = make_case("class")
    assert class_subset(case, case.num_classes).tolist() == list(range(case.num_classes))


@pytest.mark.parametrize("gone", [(5,), tuple(range(40)), ()])
def test_a_subset_has_forgotten_and_retained_classes(make_case, gone):
    case = replace(make_case("class"), num_classes=200, forget_classes=gone)
    found = class_subset(case, 20)
    assert len(set(found.tolist())) == 20
    assert found.tolist() == sorted(found)
    assert len(set(found.tolist()) & set(gone)) == min(len(gone), 10)
    assert found.tolist() == class_subset(case, 20).tolist()


def test_values_say_what_was_left_out(make_case):
    case = make_case("class")
    for found in (
        linear_probe(case, max_train=60, draws=5, max_classes=3),
        few_shot_probe(case, max_per_class=20, draws=5, max_classes=3),
        class_membership(case, max_train=60, draws=5, max_classes=2),
        member_rates(case, max_per_side=60, draws=5, max_outputs=3),
    ):
        assert all("of" in value.note for value in found.values()), found
        assert all(np.isnan(value) or -1 <= value <= 1 for value in found.values())


def test_a_cap_that_cuts_nothing_changes_nothing(make_case):
    case = make_case("class")
    few, many = (class_membership(case, max_train=60, draws=3, max_classes=n) for n in (case.num_classes - 1, 100))
    assert few == many
    few, many = (linear_probe(case, max_train=60, draws=3, max_classes=n) for n in (case.num_classes, 100))
    assert few == many
