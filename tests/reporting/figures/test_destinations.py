import numpy as np
import pytest

from cu.metrics.predictions import Predictions
from cu.reporting.figures.agreement_bars import destination_shares
from cu.reporting.figures.destinations import class_shares
from cu.store.outputs import load_scores


def given(classes, label=None, count=3):
    """Predictions of these classes."""
    logits = np.eye(count, dtype=np.float32)[classes]
    label = np.zeros(len(classes), dtype=np.int64) if label is None else np.asarray(label)
    return Predictions(logits, np.empty((len(classes), 0), dtype=np.float32), label, np.arange(len(classes)))


def test_shares_are_averaged_over_models_not_over_samples():
    assert class_shares([given([0, 0, 1, 2]), given([2])], 3) == pytest.approx([0.25, 0.125, 0.625])
    assert np.isnan(class_shares([given([])], 3)).all()


def test_shares_of_a_run_equal_a_naive_count(filled):
    data = filled.drawing("destinations").data
    found = []
    for folder in sorted(filled.outputs.glob("runs/*/*/*/contrastive/*")):
        arrays = load_scores(folder / "predictions.npz")
        votes = [
            row.argmax() for row, label in zip(arrays["train/logits"], arrays["train/label"], strict=True) if label == 2
        ]
        found.append([votes.count(c) / len(votes) for c in range(3)])
    own = data.loc[(data["model"] == "contrastive") & (data["split"] == "forget")]
    assert own["predicted"].tolist() == ["0", "coat", "bag"]
    assert own["share"].to_numpy() == pytest.approx(np.mean(found, axis=0))


def test_a_row_of_every_model_sums_to_one(filled):
    data = filled.drawing("destinations").data
    assert data["model"].unique().tolist() == ["original", "contrastive", "finetune", "retrained"]
    assert data.groupby(["model", "split"])["share"].sum().to_numpy() == pytest.approx(np.ones(8))


def test_many_classes_end_in_other(study):
    from cu.reporting.figures.destinations import largest_columns

    row = np.arange(20) / np.arange(20).sum()
    names, shares = largest_columns([str(i) for i in range(20)], {"a": row})
    assert names == [*map(str, range(9, 20)), "other"]
    assert shares["a"][-1] == pytest.approx(row[:9].sum())


def test_destinations_of_samples_are_told_from_the_retrained_models_mistakes():
    judged = given([0, 1, 1, 2], label=[0, 0, 0, 0])
    retrained = given([1, 1, 2, 0], label=[0, 0, 0, 0])
    assert destination_shares(judged, retrained) == (0.25, 0.25, 0.5)
    assert destination_shares(judged, None) == (0.25, 0.0, 0.75)


def test_sample_scenarios_have_bars(study):
    study.add("contrastive", 0, 0.6, scenario="sample", shift=0.0)
    drawing = study.drawing("destinations")
    data = drawing.data.set_index(["model", "split", "destination"])["share"]
    arrays = load_scores(next(study.outputs.glob("runs/*/*/sample/contrastive/*")) / "predictions.npz")
    right = (arrays["train/logits"].argmax(1) == arrays["train/label"])[:5].mean()
    assert data["contrastive", "forget", "own class"] == pytest.approx(right)
    assert f"contrastive {100 * right:.1f}" in drawing.alt
