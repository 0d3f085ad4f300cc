from itertools import islice

import pytest
import torch

from cu.data.batches.pairs import RetainPairs
from cu.data.batches.shuffled import ShuffledBatches
from cu.data.batches.tagged import TaggedBatches
from cu.data.batches.views import TwoViewBatches
from cu.data.placement import Placement
from cu.data.transforms import Transform
from cu.data.types import Split

PLACE = Placement(torch.device("cpu"), channels_last=False)


def make_batches(name, count, size, crop=0):
    """Image k is filled with k; label k."""
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(count, 1, 4, 4).contiguous()
    transform = Transform(mean=(0.0,), std=(1 / 255,), crop=crop, augment=crop > 0)
    split = Split(name, images, torch.arange(count), torch.arange(count), torch.arange(count), transform)
    return ShuffledBatches((split,), size, 0, name, PLACE)


@pytest.mark.parametrize(("forget", "retain"), [(5, 40), (40, 12), (8, 8)])
def test_every_retain_batch_meets_one_forget_batch(forget, retain):
    pairs = RetainPairs(make_batches("forget", forget, 3), make_batches("retain", retain, 4))
    found = list(pairs.epoch(1))
    assert len(found) == len(pairs) == -(-retain // 4)
    assert sorted(torch.cat([pair.retain.labels for pair in found]).tolist()) == list(range(retain))
    for pair, batch in zip(found, pairs.retain.epoch(1), strict=True):
        assert torch.equal(pair.retain.images, batch.images)
        assert pair.counts == {"retain": len(pair.retain.labels), "forget": len(pair.forget.labels)}


def test_forget_rounds_are_complete_and_differ():
    pairs = RetainPairs(make_batches("forget", 7, 3), make_batches("retain", 40, 4))
    labels = [pair.forget.labels for pair in pairs.epoch(0)]
    rounds = [torch.cat(labels[k : k + 2]).tolist() for k in range(0, 10, 2)]
    assert all(sorted(one) == list(range(7)) for one in rounds)
    assert len(set(map(tuple, rounds))) == 5
    assert rounds[0] != torch.cat([pair.forget.labels for pair in islice(pairs.epoch(1), 2)]).tolist()


def test_views_are_of_the_same_images():
    batches = make_batches("retain", 23, 5)
    for views in TwoViewBatches(batches).epoch(2):
        assert torch.equal(views.second, views.batch.images)


def test_first_views_are_the_streams_own_and_second_views_are_others():
    batches = make_batches("retain", 23, 5, crop=2)
    views = list(TwoViewBatches(batches).epoch(2))
    for pair, batch in zip(views, batches.epoch(2), strict=True):
        assert torch.equal(pair.batch.images, batch.images)
        assert pair.counts == {"retain": len(batch.labels)}
        # A crop of an image of one colour shows that colour wherever it does not show the padding.
        assert torch.equal(pair.second.flatten(1).amax(1).round().long(), batch.labels)
    assert not all(torch.equal(pair.second, pair.batch.images) for pair in views)


def test_tags_are_of_the_pass():
    tagged = TaggedBatches(make_batches("retain", 9, 4), lambda epoch: 10 * int(epoch))
    assert [item.tag for item in tagged.epoch(3)] == [30] * len(tagged)
    assert sum(item.counts["retain"] for item in tagged.epoch(3)) == 9
