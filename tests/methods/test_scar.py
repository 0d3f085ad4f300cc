import numpy as np
import pytest
import torch
from sklearn.covariance import empirical_covariance

from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch
from cu.engine.freezing import frozen_teacher
from cu.engine.numerics.mahalanobis import class_distributions
from cu.engine.predict import accuracy, predict
from cu.methods.scar import Scar


def scar(recipe, **settings):
    plain = {"retain_batches": 2, "forget_weight": 1.0, "retain_weight": 5.0, "temperature": 1.0, "power": 0.5}
    return Scar(**{"recipe": recipe, "shrinkage": 3.0, "stop_accuracy": None, **plain, **settings})


def naive_distances(kept, labels, points):
    """With numpy, class by class and point by point."""
    kept, points = ((np.maximum(x.double().numpy(), 0) + 1e-4) ** 0.5 for x in (kept, points))
    rows = {}
    for label in sorted(set(labels.tolist())):
        own = kept[labels.numpy() == label]
        s = empirical_covariance(own) * len(own) / (len(own) - 1)
        for _ in range(2):
            off = s[~np.eye(len(s), dtype=bool)]
            variance, covariance = np.diag(s).mean(), off.sum() / (off != 0).sum()
            for i in range(len(s)):
                for j in range(len(s)):
                    s[i, j] += 3.0 * (variance if i == j else covariance)
        d = np.sqrt(np.diag(s))
        inverse, mean = np.linalg.pinv(s / np.outer(d, d)), own.mean(0) / np.linalg.norm(own.mean(0))
        gaps = [x / np.linalg.norm(x) - mean for x in points]
        rows[label] = [gap @ inverse @ gap for gap in gaps]
    return rows


def test_distances_are_mahalanobis_after_shrinking_twice():
    torch.manual_seed(0)
    kept, labels, points = torch.randn(60, 5).exp(), torch.arange(60) % 3, torch.randn(7, 5)
    known = class_distributions(kept, labels, 0.5, 3.0)
    expected = torch.tensor(list(naive_distances(kept, labels, points).values())).T
    torch.testing.assert_close(known.distances(points).double(), expected, atol=1e-4, rtol=1e-3)


def test_a_class_with_a_single_sample_has_no_distribution():
    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    assert class_distributions(torch.rand(6, 3), labels, 0.5, 3.0).classes.tolist() == [0, 2]


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_each_sample_goes_to_the_nearest_wrong_class(original, toy_tasks, make_run, make_recipe, hardware, scenario):
    task = toy_tasks[scenario]
    known, moved = scar(make_recipe()).targets(original, task, make_run())
    kept, lost = (predict(original, split, hardware).embedding for split in (task.retain, task.forget))
    rows = naive_distances(kept, task.retain.labels, lost)
    for k, label in enumerate(task.forget.labels.tolist()):
        distances = {other: rows[other][k] for other in rows if other != label}
        assert known.classes[moved.labels[k]] == min(distances, key=distances.__getitem__)


def batch_of(split, count):
    chosen = torch.arange(count)
    return Batch(split.eval_view(chosen), split.labels[chosen], {split.name: count})


def test_the_loss_is_the_weighted_sum(original, toy_tasks, make_run, make_recipe):
    task, run = toy_tasks["class"], make_run()
    method = scar(make_recipe(), forget_weight=0.5, retain_weight=2.0, temperature=1.7)
    known, moved = method.targets(original, task, run)
    pair, student = Pair(batch_of(moved, 5), batch_of(task.retain, 6)), run.new_model().eval()
    distances = known.distances(student(pair.forget.images).embedding)
    near = sum(distances[k, pair.forget.labels[k]] for k in range(5)) / 5
    wanted = original(pair.retain.images).logits.detach().double()
    wanted[:, 2] = wanted.min()
    p, q = (wanted / 1.7).softmax(1), student(pair.retain.images).logits.double().softmax(1)
    expected = 0.5 * near.item() + 2.0 * (p * (p / q).log()).sum(1).mean().item()
    loss = method.loss(frozen_teacher(original), known, torch.tensor([2]), student, pair)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_a_class_is_forgotten_and_the_stop_rule_ends_it(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    recipe = make_recipe(lr=0.02, epochs=12, batch_size=16)
    runs = [make_run(), make_run()]
    models = [
        scar(recipe, retain_weight=1.0, stop_accuracy=stop).unlearn(original, task, run)
        for stop, run in zip((None, 0.5), runs, strict=True)
    ]
    for model in models:
        assert accuracy(model, task.forget, hardware) < 0.5
        assert accuracy(model, task.retain, hardware) > 0.8
    assert runs[1].ledger.steps < runs[0].ledger.steps
