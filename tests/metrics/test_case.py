from dataclasses import replace

import numpy as np
import pytest


@pytest.mark.parametrize(("wanted", "there"), [(49, 3), (7, 3), (103, 87), (10, 25), (161, 29)])
def test_no_non_member_is_lost_by_rounding(make_case, make_model, make_predictions, wanted, there):
    """int(w * (t / w)) is t - 1 for 3,258 pairs of at most 500."""

    def part(count, first):
        return make_predictions(np.zeros((count, 4)), np.zeros(count, int), first)

    model = replace(make_model(), forget=part(wanted, 0), test_retain=part(there, 1000))
    assert len(make_case(model=model).matched_non_members()) == min(wanted, there)


def test_every_pair_of_counts(make_case, make_model, make_predictions):
    lost = [(w, t) for w in range(1, 300) for t in range(1, w) if int(w * (t / w)) != t]
    assert lost
    for w, t in lost[:20]:
        test_no_non_member_is_lost_by_rounding(make_case, make_model, make_predictions, w, t)


def test_draws_of_non_members_differ_in_samples_and_agree_in_classes(make_case):
    case = make_case()
    first, second, again = (case.matched_non_members(draw=number) for number in (0, 1, 0))
    assert np.array_equal(first.id, again.id)
    assert not np.array_equal(first.id, second.id)
    assert np.array_equal(np.sort(first.label), np.sort(second.label))
    other = case.matched_non_members(case.retrained[0], draw=1)
    assert np.array_equal(other.id, second.id)
    assert (case.non_member_draws(10), make_case("class").non_member_draws(10)) == (10, 1)
