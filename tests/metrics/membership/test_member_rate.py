from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.membership import member_rate


def rates(case, max_per_side=5000):
    return {
        k.removeprefix("mia/member_rate_"): v
        for k, v in member_rate.member_rates(case, max_per_side=max_per_side, draws=3, max_outputs=100).items()
    }


def test_perfect_separation(make_case, make_model):
    case = make_case(model=make_model(boost={"retain": 20.0, "forget": -20.0, "test_retain": -20.0}))
    assert rates(case) == {"forget": 0.0, "retain": 1.0, "difference": 1.0, "unseen": 0.0, "heldout": 1.0}
    case = make_case(model=make_model(boost={"retain": 20.0, "forget": 20.0, "test_retain": -20.0}))
    assert rates(case) == {"forget": 1.0, "retain": 1.0, "difference": 0.0, "unseen": 0.0, "heldout": 1.0}


def test_an_attack_at_chance_gives_no_rate_and_says_why(make_case, make_model):
    sizes, boost = {"retain": 900, "forget": 200, "test_retain": 900}, dict.fromkeys(("retain", "test_retain"), 2.0)
    found = [rates(make_case(model=make_model(boost=boost, sizes=sizes, seed=s), seed=s)) for s in range(40)]
    # One-sided 5 % at most; of 40, more than 5 would happen in 1.4 % of cases.
    assert sum(np.isfinite(one["forget"]) for one in found) <= 5
    at_chance = next(one for one in found if np.isnan(one["forget"]))
    assert all(np.isnan(at_chance[name]) for name in member_rate.RATES)
    assert at_chance["heldout"] == pytest.approx(0.5, abs=0.05)
    assert at_chance["forget"].note.startswith(f"attack at chance: held-out accuracy {at_chance['heldout']:.3f} on")


def test_the_mean_of_draws_carries_its_error(make_case):
    case = make_case()
    rows = member_rate.attack_rows(case, 60, 8)
    parts = {"forget": member_rate.attack_features(case.model.forget)}
    each = [member_rate.rates(case, r, parts)["forget"] for r in rows]
    found = member_rate.member_rates(case, max_per_side=60, draws=8, max_outputs=100)["mia/member_rate_forget"]
    assert np.std(each) > 0
    assert found == pytest.approx(np.mean(each))
    assert found.std == pytest.approx(np.std(each, ddof=1) / np.sqrt(8))


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
    found = rates(make_case(model=flat))
    assert found.pop("heldout") == 0.5
    assert np.isnan(list(found.values())).all()


def test_held_out_samples_are_not_those_the_attack_has_seen(make_case, make_model):
    case = make_case(model=make_model(boost={"retain": 20.0, "forget": -20.0, "test_retain": -20.0}))
    (rows,) = member_rate.attack_rows(case, 5000, 1)
    kept, unseen = case.model.retain, case.model.test_retain

    def with_row(part, rows, other):
        logits, label = part.logits.copy(), part.label.copy()
        logits[rows], label[rows] = other.logits[0], other.label[0]
        return replace(part, logits=logits, label=label)

    swapped = {
        "retain": with_row(kept, rows.held_out, unseen),
        "test_retain": with_row(unseen, rows.held_out_others, kept),
    }
    parts = {"forget": member_rate.attack_features(case.model.forget)}
    found = member_rate.rates(replace(case, model=replace(case.model, **swapped)), rows, parts)
    assert (found["retain"], found["unseen"], found["heldout"]) == (0, 1, 0)
