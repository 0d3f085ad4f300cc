from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.membership import member_rate


def rates(case, max_per_side=5000):
    return {
        k.removeprefix("mia/member_rate_"): v
        for k, v in member_rate.member_rates(case, max_per_side=max_per_side).items()
    }


def test_perfect_separation(make_case, make_model):
    case = make_case(model=make_model(boost={"retain": 20.0, "forget": -20.0, "test_retain": -20.0}))
    assert rates(case) == {"forget": 0.0, "retain": 1.0, "difference": 1.0, "unseen": 0.0}
    case = make_case(model=make_model(boost={"retain": 20.0, "forget": 20.0, "test_retain": -20.0}))
    assert rates(case) == {"forget": 1.0, "retain": 1.0, "difference": 0.0, "unseen": 0.0}


def test_identical_distributions_are_called_members_half_of_the_time(make_case, make_model):
    sizes = {"retain": 3000, "forget": 2000, "test_retain": 3000}
    boost = {"retain": 2.0, "forget": 2.0, "test_retain": 2.0}
    found = [rates(make_case(model=make_model(boost=boost, sizes=sizes, seed=s), seed=s)) for s in range(30)]
    for one in found:
        # An attack that learned only noise may prefer an answer, but gives it as often on every side.
        assert one["forget"] == pytest.approx(one["retain"], abs=0.07)
        assert one["unseen"] == pytest.approx(one["retain"], abs=0.07)
        assert one["difference"] == pytest.approx(one["retain"] - one["forget"])
    for name in ("forget", "retain", "unseen"):
        assert np.mean([one[name] for one in found]) == pytest.approx(0.5, abs=0.15)


def test_training_and_judged_samples_are_disjoint_and_balanced(make_case):
    known, held_out, known_unseen, held_out_unseen = member_rate.halves(make_case(), 10_000)
    assert len(known) == len(held_out) == len(known_unseen) == len(held_out_unseen) == 200
    assert not set(known) & set(held_out)
    assert not set(known_unseen) & set(held_out_unseen)
    assert max(known) > 500
    assert [len(rows) for rows in member_rate.halves(make_case(), 7)] == [7, 7, 7, 7]


def test_features_do_not_depend_on_the_name_of_a_class(make_predictions):
    logits, label = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 4
    order = np.array([2, 0, 3, 1])
    renamed = make_predictions(logits[:, order], np.argsort(order)[label])
    found = member_rate.attack_features(make_predictions(logits, label))
    assert found == pytest.approx(member_rate.attack_features(renamed))
    assert np.all(np.diff(found[:, :4], axis=1) <= 0)


def test_a_forgotten_class_is_controlled_by_its_own_test_samples(make_case, make_model):
    # The class is unknown to the model: both of its halves look unlike members, and neither was one.
    found = rates(make_case("class", model=make_model("class", sizes={"forget": 500, "test_forget": 500})))
    assert found["forget"] == pytest.approx(found["unseen"], abs=0.05)
    assert found["retain"] > found["forget"] + 0.5


def test_degenerate_input(make_case, make_model, make_predictions):
    empty = make_predictions(np.empty((0, 4)), [])
    found = rates(make_case(model=replace(make_model(), forget=empty)))
    assert np.isnan([found["forget"], found["difference"]]).all()
    assert 0 <= found["unseen"] <= found["retain"] <= 1
    assert np.isnan(list(rates(make_case(model=replace(make_model(), test_retain=empty))).values())).all()
    constant = make_predictions(np.zeros((50, 4)), np.zeros(50, int))
    flat = replace(make_model(), retain=constant, forget=constant, test_retain=constant)
    assert set(rates(make_case(model=flat)).values()) <= {0.0, 1.0}


def test_the_members_are_judged_on_the_half_the_attack_has_not_seen(make_case, make_model):
    case = make_case(model=make_model(boost={"retain": 20.0, "forget": -20.0, "test_retain": -20.0}))
    _, held_out, _, held_out_unseen = member_rate.halves(case, 5000)
    kept, unseen = case.model.retain.logits.copy(), case.model.test_retain.logits.copy()
    kept[held_out] *= -1
    unseen[held_out_unseen] *= -1
    swapped = replace(
        case.model,
        retain=replace(case.model.retain, logits=kept),
        test_retain=replace(case.model.test_retain, logits=unseen),
    )
    found = rates(make_case(model=swapped))
    assert found["retain"] < 0.1
    assert found["unseen"] > 0.9
