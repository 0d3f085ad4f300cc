import numpy as np
import pytest
from sklearn.metrics import roc_curve

from cu.metrics.case import Case
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.reporting.figures.roc import mean_curve


def predictions(margins):
    """Samples of class 0 whose loss falls with the margin."""
    logits = np.stack([margins, np.zeros(len(margins))], axis=1).astype(np.float32)
    zeros = np.zeros(len(margins), dtype=np.int64)
    return Predictions(logits, np.empty((len(margins), 0), dtype=np.float32), zeros, zeros)


def test_the_curve_is_scikit_learns_at_and_below_each_rate():
    rng = np.random.default_rng(0)
    members, others = rng.normal(0.5, 1, 60), rng.normal(0, 1, 40)
    kept, unseen = predictions(members), predictions(others)
    model = ModelPredictions(retain=kept, forget=kept, val=kept, test_retain=kept, test_forget=unseen)
    case = Case(model=model, retrained=(), original=None, scenario="class", forget_classes=(0,), num_classes=2, seed=0)
    rates = np.array([1 / 40, 0.1, 0.33, 1.0])
    fpr, tpr, _ = roc_curve([1] * 60 + [0] * 40, np.concatenate([members, others]), drop_intermediate=False)
    expected = [tpr[fpr <= rate + 1e-12].max() for rate in rates]
    assert mean_curve([case, case], rates) == pytest.approx(expected)


def test_the_figure_starts_where_rates_can_be_measured(filled):
    drawing = filled.drawing("roc")
    assert drawing.data["false_positive_rate"].min() == pytest.approx(1 / 8)
    assert "8 unseen samples" in drawing.reading
    assert drawing.data.groupby("model")["true_positive_rate"].max().tolist() == [1.0] * 4


def test_axes_show_numbers_not_formulas(filled):
    assert not {"$", "\\"} & set(filled.figure("roc").svg.split("</metadata>")[1])
