import math

import pytest
import torch

from cu.data.batches.shuffled import Batch
from cu.engine.predict import accuracy
from cu.methods.jit import JustInTime, Noisy, NoisyBatches, smoothness_loss


def noisy(task, count=5, copies=3, noise=0.3):
    split = task.forget.subset(torch.arange(count))
    images = split.eval_view(torch.arange(count))
    source = torch.Generator().manual_seed(0)
    return Noisy(
        Batch(images, split.labels, {"forget": count}),
        images + noise * torch.randn(copies, *images.shape, generator=source),
    )


def naive(model, noisy):
    """One sample and one copy at a time, on plain lists."""
    total = 0.0
    for k, image in enumerate(noisy.batch.images):
        here = model(image[None]).logits[0].tolist()
        for copy in noisy.copies:
            there = model(copy[k][None]).logits[0].tolist()
            change = math.sqrt(sum((a - b) ** 2 for a, b in zip(here, there, strict=True)))
            step = zip(image.flatten().tolist(), copy[k].flatten().tolist(), strict=True)
            total += change / math.sqrt(sum((a - b) ** 2 for a, b in step)) / len(noisy.copies)
    return total


def test_the_loss_is_the_sum_of_local_lipschitz_constants(original, toy_tasks):
    batch = noisy(toy_tasks["sample"])
    assert smoothness_loss(original, batch).item() == pytest.approx(naive(original, batch), rel=1e-4)


def test_noisy_predictions_are_held_constant(original, toy_tasks):
    """The gradient is that of the distance from fixed points."""
    batch = noisy(toy_tasks["sample"])
    bias = original.head.classifier.bias
    (ours,) = torch.autograd.grad(smoothness_loss(original, batch), bias)
    logits = original(batch.batch.images).logits.detach()
    expected = torch.zeros(4)
    for copy in batch.copies:
        difference = logits - original(copy).logits.detach()
        length = (batch.batch.images - copy).flatten(1).norm(dim=1)
        expected += (difference / difference.norm(dim=1, keepdim=True) / length[:, None]).sum(0) / 3
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-3)


def test_noise_stays_in_the_range_of_the_batch(toy_tasks, make_run, make_recipe):
    run, recipe = make_run(), make_recipe(batch_size=8)
    stream = NoisyBatches(run.batches(toy_tasks["class"].forget, recipe), 4, 0.5, run)
    first, again, other = (list(stream.epoch(k)) for k in (0, 0, 1))
    assert len(first) == len(stream)
    for batch in first:
        low, high = batch.batch.images.min(), batch.batch.images.max()
        assert batch.copies.min() >= low
        assert batch.copies.max() <= high
        assert batch.counts == {"forget": len(batch.batch.labels)}
    assert all(torch.equal(a.copies, b.copies) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].copies, other[0].copies)


def test_the_network_gets_smoother_where_it_forgets(original, toy_tasks, make_run, make_recipe, hardware):
    recipe = make_recipe(lr=0.03, batch_size=16, momentum=0.0, weight_decay=0.0, epochs=5, batchnorm="frozen")
    task, method = toy_tasks["class"], JustInTime(recipe=recipe, copies=4, noise=0.5)
    model = method.unlearn(original, task, make_run())
    batch = noisy(task, count=20, noise=0.5)
    assert accuracy(model, task.forget, hardware) < 0.5
    assert accuracy(model, task.retain, hardware) > 0.9
    assert smoothness_loss(model, batch) < 0.7 * smoothness_loss(original, batch)
