import torch

from cu.data.batches.extended import ExtendedBatches
from cu.data.placement import Placement

PLACEMENT = Placement(torch.device("cpu"), False)


def stream(splits, count=7, size=10):
    images = torch.full((count, 1, 6, 6), 99.0) + torch.arange(count).view(-1, 1, 1, 1)
    return ExtendedBatches(splits, images, torch.arange(count) % 4, "forget", size, 0, "test", PLACEMENT)


def test_every_sample_of_every_source_comes_once_per_pass(toy_tasks):
    task = toy_tasks["sample"]
    batches = stream((task.forget.augmented(False), task.retain.augmented(False)))
    seen = list(batches.epoch(0))
    assert len(seen) == len(batches) == 15  # 151 samples: the last one joins a batch of ten
    images, labels = torch.cat([b.images for b in seen]), torch.cat([b.labels for b in seen])
    ready = images.flatten(1)[:, 0] > 50
    assert sorted((images[ready][:, 0, 0, 0] - 99).tolist()) == list(range(7))
    assert labels[ready].tolist() == (images[ready][:, 0, 0, 0] - 99).int().remainder(4).tolist()
    own = torch.cat([s.eval_view(torch.arange(len(s))) for s in (task.forget, task.retain)]).flatten(1)
    torch.testing.assert_close(
        images[~ready].flatten(1).sum(1).sort().values, own.sum(1).sort().values, atol=1e-3, rtol=0
    )
    total = {name: sum(b.counts[name] for b in seen) for name in ("forget", "retain")}
    assert total == {"forget": 27, "retain": 124}


def test_passes_differ_but_are_repeatable_and_mixed(toy_tasks):
    batches = stream((toy_tasks["sample"].forget,), count=20)
    first, again, second = (torch.cat([b.images for b in batches.epoch(e)]) for e in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert 0 < (next(iter(batches.epoch(0))).images.flatten(1)[:, 0] > 50).sum() < 10


def test_only_splits_are_augmented(toy_tasks):
    batches = stream((toy_tasks["sample"].forget.augmented(True),))
    for batch in batches.epoch(0):
        ready = batch.images[batch.images.flatten(1)[:, 0] > 50]
        assert torch.equal(ready, ready[:, :, :1, :1].expand_as(ready))


def test_ready_made_images_alone_will_do():
    seen = list(stream((), count=11).epoch(0))
    assert [len(b.labels) for b in seen] == [11]
    assert seen[0].counts == {"forget": 11}


def test_a_batch_may_hold_no_sample_of_a_split_that_is_augmented(toy_tasks):
    split = toy_tasks["sample"].forget.augmented(True).subset(torch.arange(2))
    seen = list(stream((split,), count=9, size=2).epoch(0))
    ready = [int((b.images.flatten(1)[:, 0] > 50).sum()) for b in seen]
    assert [len(b.labels) for b in seen] == [2, 2, 2, 2, 3]
    assert 2 in ready, "one batch is of ready-made images alone"
    assert sum(ready) == 9
