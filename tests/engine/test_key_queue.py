"""The queue, and each fault of a public attempt at it."""

import pytest
import torch

from cu.data.batches.shuffled import Batch
from cu.engine.key_queue import KeyQueue


def batch(split, first, count):
    chosen = torch.arange(first, first + count)
    return Batch(split.eval_view(chosen), split.labels[chosen], {split.name: count})


def embedded(model, split, first, count):
    with torch.no_grad():
        return model.eval()(split.eval_view(torch.arange(first, first + count))).embedding


def test_it_holds_the_newest_and_while_it_fills_only_what_is_there(original, toy_data):
    queue, split = KeyQueue(original, 7, 0.9), toy_data.train
    with pytest.raises(ValueError, match="empty"):
        queue.keys()
    queue.put(batch(split, 0, 4))
    keys, labels = queue.keys()
    assert keys.shape == (4, 8)
    assert torch.equal(labels, split.labels[:4])
    queue.put(batch(split, 4, 5))
    keys, labels = queue.keys()
    assert torch.equal(labels, split.labels[2:9])
    torch.testing.assert_close(keys, torch.cat([embedded(original, split, 0, 4)[2:], embedded(original, split, 4, 5)]))


def test_keys_come_from_evaluation_mode_and_carry_no_gradient(original, toy_data):
    queue, split = KeyQueue(original.train(), 10, 0.9), toy_data.train
    before = {name: value.clone() for name, value in queue.encoder.state_dict().items()}
    queue.put(batch(split, 0, 6))
    assert not queue.keys()[0].requires_grad
    assert all(torch.equal(before[name], value) for name, value in queue.encoder.state_dict().items())
    torch.testing.assert_close(queue.keys()[0], embedded(original, split, 0, 6))


def test_the_encoder_follows_by_momentum_and_takes_over_statistics(original, make_run):
    queue, model = KeyQueue(original, 4, 0.75), make_run(seed=3).new_model()
    expected = [
        0.75 * a.detach() + 0.25 * b.detach() for a, b in zip(original.parameters(), model.parameters(), strict=True)
    ]
    queue.follow(model)
    for own, wanted in zip(queue.encoder.parameters(), expected, strict=True):
        torch.testing.assert_close(own, wanted)
    for own, theirs in zip(queue.encoder.buffers(), model.buffers(), strict=True):
        assert torch.equal(own, theirs)
