"""Contrastive unlearning with a queue, and the best point of a run."""

from copy import deepcopy

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch.nn import functional as F

from cu.config.build import build
from cu.config.component import Component
from cu.config.folder import config_folder
from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch
from cu.engine.best_weights import BestWeights
from cu.engine.fit import fit
from cu.engine.key_queue import KeyQueue
from cu.engine.predict import accuracy
from cu.errors import ConfigError


@pytest.fixture(scope="module")
def make():
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        parts = {
            **OmegaConf.to_container(compose("method/contrastive")),
            **OmegaConf.to_container(compose("recipe/short")),
        }
    node = OmegaConf.to_container(OmegaConf.create(parts).method, resolve=True)

    def make(lr=0.05, **settings):
        recipe = {k: settings.pop(k) for k in ("epochs", "batch_size") if k in settings}
        own = deepcopy(node)
        own["recipe"] |= {"augment": False, "epochs": 6, "batch_size": 16, **recipe}
        own["recipe"]["optimizer"]["lr"] = lr
        return build(Component({**own, "stop_on": "never", **settings}))

    return make


def batch(split, first, count):
    chosen = torch.arange(first, first + count)
    return Batch(split.eval_view(chosen), split.labels[chosen], {split.name: count})


def contrast(anchors, own, keys, labels, temperature):
    """Equations 5 and 6 for each anchor by itself."""
    total = 0.0
    for z, y in zip(anchors, own.tolist(), strict=True):
        s = keys @ z / temperature
        same, other = s[labels == y], s[labels != y]
        # The push is the logarithm of a sum, not a sum; without a key of the class there is none.
        push = torch.logsumexp(same, 0) if len(same) else torch.tensor(float(len(other))).log()
        total = total + push - other.mean()
    return total / len(anchors)


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_the_loss_sees_the_queue_with_its_own_labels(original, toy_tasks, make, scenario):
    """Not the mask of the own class while it fills, and not a softmax over the whole queue."""
    task, model = toy_tasks[scenario], original.eval()
    method, queue = make(queue=20), KeyQueue(original, 20, 0.9)
    first, second = (Pair(batch(task.forget, 0, 5), batch(task.retain, k, 9)) for k in (0, 9))
    method.loss(model, first, keys=queue)
    found = method.loss(model, second, keys=queue)
    with torch.no_grad():
        kept = batch(task.retain, 0, 18)
        keys, anchors = model(kept.images).embedding, model(second.forget.images).embedding
        entropy = F.cross_entropy(model(second.retain.images).logits, second.retain.labels)
        expected = 3.0 * contrast(anchors, second.forget.labels, keys, kept.labels, 0.7) + entropy
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)


def test_anchors_are_never_put_in(original, toy_tasks, make):
    task, queue = toy_tasks["class"], KeyQueue(original, 1000, 0.9)
    for k in range(4):
        make(queue=1000).loss(original, Pair(batch(task.forget, 0, 5), batch(task.retain, 8 * k, 8)), keys=queue)
    assert len(queue.keys()[1]) == 32
    assert not torch.isin(queue.keys()[1], torch.tensor(task.forget_classes)).any()


def test_the_weights_that_run_are_those_that_the_optimizer_holds_and_the_encoder_trails_them(
    original, toy_tasks, make, make_run, make_recipe
):
    task, queue, seen = toy_tasks["class"], KeyQueue(original, 64, 0.5), []
    method, start = make(queue=64), deepcopy(original)

    def loss(model, pair):
        seen.append(model)
        return method.loss(model, pair, keys=queue)

    run = make_run()
    sides = (run.batches(split, make_recipe(batch_size=16)) for split in (task.forget, task.retain))
    from cu.data.batches.pairs import PairedBatches

    moved = fit(
        original,
        PairedBatches(*sides, 1, "random"),
        loss,
        make_recipe(epochs=1, lr=0.05),
        run,
        around_step=queue.following,
    )
    assert all(model is moved for model in seen)
    for own, before, now in zip(queue.encoder.parameters(), start.parameters(), moved.parameters(), strict=True):
        assert not torch.equal(own, before), "the encoder has moved"
        assert (own - now).norm() <= (before - now).norm() + 1e-6, "towards the model"


def test_a_class_is_forgotten_with_small_batches_and_a_queue(original, toy_tasks, make, make_run, hardware):
    task = toy_tasks["class"]
    model = make(queue=64, batch_size=4, lr=0.02, epochs=3).unlearn(original, task, make_run())
    assert accuracy(model, task.forget, hardware) < 0.3
    assert accuracy(model, task.retain, hardware) > 0.85


def test_the_best_look_is_returned(original, toy_tasks, make, make_run, hardware):
    task, rows = toy_tasks["class"], []
    run = make_run(log=lambda values, step: rows.append(values))
    method = make(stop_on="val", keep_best=True, epochs=4)
    model = method.unlearn(original, task, run)
    looks = [row["stop/watched_acc"] for row in rows if "stop/watched_acc" in row]
    assert len(looks) == 4, "no pass is left out"
    val = task.of_forget_classes(task.val)
    assert accuracy(model, val, hardware) in looks
    assert accuracy(model, val, hardware) <= 0.25
    with pytest.raises(ConfigError, match="keep_best"):
        make(keep_best=True).unlearn(original, task, run)


def test_best_weights_of_a_list_of_looks(original):
    best = BestWeights()
    for score in (0.2, 0.9, float("nan"), 0.9, 0.4):
        with torch.no_grad():
            original.head.classifier.bias.fill_(score)
        best.look(original, score)
    assert (best.put_back(original).head.classifier.bias == 0.9).all()
    assert BestWeights().put_back(original) is original
