import math

import pytest
import torch

from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch
from cu.engine.predict import accuracy, predict
from cu.methods.duck import Duck, targets


def duck(recipe, **settings):
    plain = {"retain_batches": 2, "forget_weight": 1.5, "retain_weight": 1.5, "temperature": 2.0, "stop_accuracy": None}
    return Duck(**{"recipe": recipe, **plain, **settings})


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


def naive_centroids(model, task, hardware):
    kept, labels = predict(model, task.retain, hardware).embedding.tolist(), task.retain.labels.tolist()
    own = {c: [row for row, label in zip(kept, labels, strict=True) if label == c] for c in sorted(set(labels))}
    return {c: [sum(column) / len(rows) for column in zip(*rows, strict=True)] for c, rows in own.items()}


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_each_sample_goes_to_the_nearest_centroid_of_another_class(original, toy_tasks, make_run, hardware, scenario):
    task = toy_tasks[scenario]
    means = naive_centroids(original, task, hardware)
    _, moved = targets(original, task, make_run())
    for k, row in enumerate(predict(original, task.forget, hardware).embedding.tolist()):
        others = [c for c in means if c != task.forget.labels[k]]
        assert list(means)[moved.labels[k]] == max(others, key=lambda c: cosine(row, means[c]))


def batch_of(split, count):
    chosen = torch.arange(count)
    return Batch(split.eval_view(chosen), split.labels[chosen], {split.name: count})


def test_the_loss_is_the_weighted_sum(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["sample"]
    centroids, moved = targets(original, task, make_run())
    pair, student = Pair(batch_of(moved, 5), batch_of(task.retain, 6)), make_run().new_model().eval()
    means = list(naive_centroids(original, task, hardware).values())
    rows = student(pair.forget.images).embedding.tolist()
    far = sum(1 - cosine(r, means[t]) for r, t in zip(rows, pair.forget.labels.tolist(), strict=True)) / 5
    entropy = 0.0
    for row, label in zip(student(pair.retain.images).logits.tolist(), pair.retain.labels.tolist(), strict=True):
        entropy += (math.log(sum(math.exp(z / 2) for z in row)) - row[label] / 2) / 6
    loss = duck(make_recipe(), forget_weight=0.5, retain_weight=3.0).loss(centroids, student, pair)
    assert loss.item() == pytest.approx(0.5 * far + 3.0 * entropy, rel=1e-4)


def test_a_class_is_forgotten_and_the_stop_rule_ends_it(original, toy_tasks, make_run, make_recipe, hardware):
    task, recipe = toy_tasks["class"], make_recipe(lr=0.05, epochs=10, batch_size=16)
    runs = [make_run(), make_run()]
    for stop, run in zip((None, 0.5), runs, strict=True):
        model = duck(recipe, stop_accuracy=stop).unlearn(original, task, run)
        assert accuracy(model, task.forget, hardware) < 0.5
        assert accuracy(model, task.retain, hardware) > 0.8
    assert runs[1].ledger.steps < runs[0].ledger.steps
