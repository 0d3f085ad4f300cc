from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from cu.engine.fit import cross_entropy, fit
from cu.methods.finetune import FineTune
from cu.methods.gradient_ascent import GradientAscent
from cu.methods.original import Original
from cu.methods.random_label import random_labels, relabelled_stream
from cu.methods.retrain import Retrain


def loss_on(model, split):
    every = torch.arange(len(split))
    return F.cross_entropy(model(split.eval_view(every)).logits, split.labels)


def flat(tensors):
    return torch.cat([t.detach().flatten() for t in tensors])


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_one_step_of_gradient_ascent_is_along_the_gradient(original, toy_tasks, make_run, make_recipe, scenario):
    forget = toy_tasks[scenario].forget
    recipe = make_recipe(lr=1e-2, momentum=0.0, weight_decay=0.0, epochs=1, batch_size=len(forget), batchnorm="frozen")
    model = GradientAscent(recipe=recipe).unlearn(original, toy_tasks[scenario], make_run())
    gradient = flat(torch.autograd.grad(loss_on(original, forget), list(original.parameters())))
    step = flat(model.parameters()) - flat(original.parameters())
    assert F.cosine_similarity(step, gradient, dim=0).item() == pytest.approx(1.0, abs=1e-4)
    assert (step.norm() / gradient.norm()).item() == pytest.approx(1e-2, rel=1e-3)
    assert loss_on(model, forget) > loss_on(original, forget)


def test_fine_tuning_is_training_on_the_retain_set(original, toy_tasks, make_run, make_recipe, same_weights):
    recipe, task = make_recipe(augment=True), toy_tasks["sample"]
    model = FineTune(recipe=recipe).unlearn(original, task, make_run(seed=3))
    run = make_run(seed=3)
    assert same_weights(model, fit(original, run.batches(task.retain, recipe), cross_entropy, recipe, run))


def test_the_original_stays_the_original(original, toy_tasks, make_run, same_weights):
    run = make_run()
    assert same_weights(Original().unlearn(original, toy_tasks["class"], run), original)
    assert run.ledger.cost()["steps"] == 0


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_retraining_is_training_on_the_retain_set_by_the_originals_recipe_and_seed(
    original, toy_tasks, make_run, make_recipe, same_weights, scenario
):
    task = toy_tasks[scenario]
    model = Retrain().unlearn(original, task, make_run(seed=9))
    run = make_run(seed=0)
    recipe = make_recipe(schedule="one_cycle", epochs=6, lr=0.2, batch_size=16)
    expected = fit(run.new_model(), run.batches(task.retain, recipe), cross_entropy, recipe, run)
    assert same_weights(model, expected)


@pytest.fixture
def crowd(toy_tasks):
    """20,000 forget samples of all classes, and as many of the forgotten class."""

    def make(scenario, **changes):
        task = toy_tasks[scenario]
        return replace(task, forget=task.forget.subset(torch.arange(20000) % len(task.forget)), **changes)

    return make


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def test_wrong_labels_are_wrong_and_uniform_over_the_other_classes(crowd):
    task = crowd("sample")
    labels = random_labels(task, "wrong", source())
    assert labels.dtype == torch.int64
    assert not (labels == task.forget.labels).any()
    for true in range(4):
        drawn = Counter(labels[task.forget.labels == true].tolist())
        total = sum(drawn.values())
        assert set(drawn) == set(range(4)) - {true}
        assert all(count / total == pytest.approx(1 / 3, abs=0.03) for count in drawn.values())


@pytest.mark.parametrize("forgotten", [(2,), (1, 2), (0, 1, 2)])
def test_wrong_labels_are_never_forgotten_classes(crowd, forgotten):
    labels = random_labels(crowd("class", forget_classes=forgotten), "wrong", source())
    assert set(labels.tolist()) == set(range(4)) - set(forgotten)


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_any_labels_keep_the_true_one_with_chance_one_in_c(crowd, scenario):
    task = crowd(scenario)
    labels = random_labels(task, "any", source())
    assert (labels == task.forget.labels).double().mean().item() == pytest.approx(1 / 4, abs=0.01)
    assert all(count / 20000 == pytest.approx(1 / 4, abs=0.015) for count in Counter(labels.tolist()).values())


@pytest.mark.parametrize(("redraw", "draws"), [(True, 3), (False, 1)])
@pytest.mark.parametrize("order", ["joint", "sequential"])
def test_labels_are_drawn_every_epoch_or_once(toy_tasks, make_run, make_recipe, order, redraw, draws):
    """What the training loop is given, epoch by epoch."""
    task = toy_tasks["sample"]
    stream = relabelled_stream(task, make_recipe(batch_size=16), make_run(), order, "wrong", redraw)
    relabelled = []
    for epoch in range(3):
        batches = list(stream.epoch(epoch))
        assert sum(b.counts.get("forget", 0) for b in batches) == 20
        assert sum(b.counts.get("retain", 0) for b in batches) == 124
        mixed = [{name for name, count in b.counts.items() if count} for b in batches]
        if order == "sequential":
            assert mixed == [{"forget"}] * 2 + [{"retain"}] * 8
        else:
            assert {"forget", "retain"} in mixed
        relabelled.append(forgotten_labels(batches, task))
    assert len(set(relabelled)) == draws


def forgotten_labels(batches, task):
    """The label given to each forget sample, found by its pixels."""
    known = {image.numpy().tobytes(): i for i, image in enumerate(task.forget.eval_view(torch.arange(20)))}
    found = {}
    for batch in batches:
        for image, label in zip(batch.images, batch.labels.tolist(), strict=True):
            if (i := known.get(image.numpy().tobytes())) is not None:
                found[i] = label
    assert len(found) == 20
    assert all(found[i] != label for i, label in enumerate(task.forget.labels.tolist()))
    return tuple(found[i] for i in range(20))
