import numpy as np

from cu.metrics.case import Predictions
from cu.metrics.membership.removed import class_wise_auc


def predictions(losses, labels):
    """Two classes; the loss of each sample is given."""
    right = np.exp(-np.asarray(losses, dtype=np.float64))
    logits = np.stack([np.log(right), np.log1p(-right)], axis=1)
    label = np.asarray(labels)
    logits[label == 1] = logits[label == 1][:, ::-1]
    return Predictions(logits.astype(np.float32), np.zeros((len(label), 1), np.float32), label, np.arange(len(label)))


def test_the_chance_is_counted_pair_by_pair_within_classes():
    rng = np.random.default_rng(0)
    members = predictions(rng.integers(1, 6, 20) / 4, rng.integers(0, 2, 20))
    others = predictions(rng.integers(1, 6, 30) / 4, rng.integers(0, 2, 30))
    wins = []
    loss = [-p.logits[np.arange(len(p)), p.label].astype(np.float64).round(3) for p in (members, others)]
    for own, label in zip(loss[0], members.label, strict=True):
        theirs = loss[1][others.label == label]
        wins.append(np.mean((own < theirs) + 0.5 * (own == theirs)))
    np.testing.assert_allclose(class_wise_auc(members, others), np.mean(wins), atol=1e-6)


def test_a_model_that_knows_them_is_at_one_and_without_others_there_is_no_number():
    members, others = predictions([0.1, 0.2], [0, 1]), predictions([1, 2], [0, 1])
    assert class_wise_auc(members, others) == 1
    assert class_wise_auc(members, predictions([1], [0])) == 1, "class 1 cannot be compared"
    assert np.isnan(class_wise_auc(members.take([1]), predictions([1], [0])))
