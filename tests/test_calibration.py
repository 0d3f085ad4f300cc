import importlib.util
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cu.metrics.case import Case
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.spec import Margin, metric

SCRIPT = Path(__file__).parents[1] / "scripts" / "calibration.py"
spec = importlib.util.spec_from_file_location("calibration", SCRIPT)
assert spec is not None
assert spec.loader is not None
calibration = sys.modules["calibration"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(calibration)


def fake(values):
    """A model whose predictions say some numbers."""
    numbers = np.array(values, dtype=np.float64)[None]
    one = Predictions(numbers, numbers, np.zeros(1, np.int64), np.zeros(1, np.int64))
    return ModelPredictions(one, one, one, one, one)


KEYS = ("a", "b", "c", "d")


@metric(keys=KEYS, margin=Margin(0.5, "spreads"))
def values(case, /):
    return dict(zip(KEYS, case.model.retain.logits[0].tolist(), strict=True))


def pool_of(models):
    case = Case(fake([0] * 4), (), fake([9] * 4), "class", (0,), 2)
    return calibration.Pool(case, tuple(map(fake, models)), {}, KEYS)


@pytest.mark.parametrize(("runs", "count"), calibration.SETTINGS)
def test_retrained_models_are_found_out_in_at_most_5_percent(runs, count):
    source, found = np.random.default_rng(0), Counter()
    for _ in range(300):
        pool = pool_of(source.normal(size=(calibration.MODELS, 4)))
        found += calibration.rates(pool, {"values": values}, runs, count, 1, source)
    assert found["of large"] == found["of dagger"] == 300
    assert found["of bold"] == found["of equivalent"] == 1200
    for verdict in calibration.VERDICTS:
        assert calibration.wilson_interval(found[verdict], found[f"of {verdict}"])[0] <= 0.05, verdict


def test_what_is_far_off_is_found_out():
    rng = np.random.default_rng(0)
    pool = pool_of(rng.normal(size=(12, 4)))
    off = calibration.Pool(pool.case, (fake([50] * 4), *pool.models[1:]), {}, KEYS)
    runs = [calibration.compared(off, {"values": values}, (0, 1), chosen)[0] for chosen in ((2, 3, 4), (5, 6, 7))]
    stats = calibration.judged(calibration.statistics(off, runs, 3, "method"))
    assert [stat.key for stat in stats if calibration.is_large(stat)] == list(KEYS)


def test_a_metric_is_computed_once_for_each_model_and_those_it_faces():
    calls = []

    @metric(keys=("x",), needs=("retrained",))
    def faced(case, /):
        calls.append(case.model)
        return {"x": 0.0}

    @metric(keys=("y",))
    def alone(case, /):
        calls.append(case.model)
        return {"y": 0.0}

    pool = pool_of(np.zeros((12, 4)))
    suite = {"faced": calibration.remembered(faced), "alone": calibration.remembered(alone)}
    for _ in range(2):
        calibration.compared(pool, suite, (0, 1), (2, 3))
    models = [pool.models[i] for i in range(4)]
    assert Counter(map(id, calls)) == {
        **{id(model): 3 for model in models[:2]},
        **{id(model): 2 for model in models[2:]},
        id(pool.case.original): 3,
    }
