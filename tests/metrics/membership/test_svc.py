from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.composites import average_gap, tugs_of_war
from cu.metrics.membership import svc


def non_member_rate(members, others, target):
    return svc.non_member_rates(members, others, [target])[0]


def column(values):
    return np.asarray(values)[:, None]


def test_separable_confidences():
    rng = np.random.default_rng(0)
    members, others = column(rng.uniform(0.9, 1, 300)), column(rng.uniform(0, 0.6, 300))
    assert non_member_rate(members, others, column(rng.uniform(0, 0.6, 200))) == 1.0
    assert non_member_rate(members, others, column(rng.uniform(0.9, 1, 200))) == 0.0


def test_nine_to_one_imbalance_would_hide_everything():
    rng = np.random.default_rng(1)
    members, others = column(0.1 + rng.normal(size=900)), column(rng.normal(size=100))
    assert non_member_rate(members, others, column(rng.normal(size=200))) == 0.0
    assert non_member_rate(members[:100], others, column(rng.normal(size=200))) > 0.2


def test_features(make_predictions):
    part = make_predictions(np.log([[0.7, 0.2, 0.1]] * 2), [0, 1])
    found = {name: svc.attack_feature(part, name) for name in svc.FEATURES}
    assert found["correctness"].ravel().tolist() == [1, 0]
    assert found["confidence"].ravel() == pytest.approx([0.7, 0.2])
    assert found["entropy"].ravel() == pytest.approx([0.80182] * 2, abs=1e-5)
    assert found["m_entropy"].ravel() == pytest.approx([0.16217, 2.14087], abs=1e-5)
    assert found["prob"].shape == (2, 3)


def test_orientation(make_case, make_model):
    everywhere = {"retain": 12.0, "test_retain": -3.0}
    for boost, expected in ((12.0, 0.0), (-3.0, 1.0)):
        case = make_case(model=make_model(boost={**everywhere, "forget": boost}))
        for key, value in svc.svc_attacks(case, max_per_side=400, draws=3).items():
            # The entropy of a wrong but certain model is that of a right one.
            if key not in {"mia/svc_entropy"}:
                assert value == pytest.approx(1.0 if key.endswith("heldout") else expected, abs=0.1), key


def test_empty_and_constant_input(make_case, make_model, make_predictions):
    model = make_model()
    empty = make_predictions(np.empty((0, 4)), [])
    case = make_case(model=replace(model, forget=empty))
    found = svc.svc_attacks(case, max_per_side=100, draws=3)
    assert np.isnan([found[f"mia/svc_{name}"] for name in svc.FEATURES]).all()
    assert non_member_rate(np.ones((20, 1)), np.ones((20, 1)), np.ones((5, 1))) in {0.0, 1.0}


def test_an_attack_is_fitted_once_for_all_metrics_and_cases_of_a_model(make_case, monkeypatch):
    fits = []

    class Counted(svc.SVC):
        def fit(self, *data):
            fits.append(1)
            return super().fit(*data)

    monkeypatch.setattr(svc, "SVC", Counted)
    case = make_case(retrained=2)
    swapped = replace(case, model=case.retrained[0], retrained=(case.model, case.retrained[1]))

    def asked(judged, size=100):
        before = len(fits)
        values = svc.svc_attacks(judged, max_per_side=size, draws=3)
        values |= average_gap(judged, max_per_side=size, draws=3) | tugs_of_war(judged, max_per_side=size, draws=3)
        return len(fits) - before, str(values)  # text, for NaN is not itself

    first, known = asked(case)
    assert first > 0
    asked(swapped)
    for judged in (case, swapped):
        assert asked(judged)[0] == 0
    assert asked(case)[1] == known == asked(make_case(retrained=2))[1]
    assert asked(case, 50)[1] != known, "other rows are another attack"


def test_a_feature_at_chance_has_no_share_and_a_saturated_one_says_so(make_case, make_model):
    flat = make_case(model=make_model(boost={"retain": 2.0, "forget": 2.0, "test_retain": 2.0}))
    found = svc.svc_attacks(flat, max_per_side=150, draws=3)
    assert np.isnan(found["mia/svc_correctness"])
    assert found["mia/svc_correctness"].note.startswith("attack at chance")
    wrong = make_case(model=make_model(boost={"retain": 12.0, "forget": -12.0, "test_retain": -3.0}))
    found = svc.svc_attacks(wrong, max_per_side=150, draws=3)["mia/svc_confidence"]
    assert (found, found.note) == (1, "saturated: 200 samples cannot tell it from 1")
