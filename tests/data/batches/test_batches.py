from collections import Counter
from dataclasses import replace
from itertools import cycle, islice, pairwise

import pytest
import torch

from cu.data.batches.pairs import PairedBatches
from cu.data.batches.shuffled import Batch, Chained, Redrawn, ShuffledBatches, batch_bounds
from cu.data.placement import Placement
from cu.data.transforms import Transform
from cu.data.types import Split

PLACEMENT = Placement(torch.device("cpu"), channels_last=False)


@pytest.fixture
def make_split():
    """Splits of one tensor of images, where every pixel of image i is i: what was read can be told from pixels."""
    images = torch.arange(200, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    transform = Transform(mean=(0.0,), std=(1 / 255,))

    def make(start, stop, name="retain", **settings):
        rows = torch.arange(start, stop)
        return Split(name, images, rows, rows % 7, rows, replace(transform, **settings))

    return make


def shuffled(*splits, size=8, seed=0, purpose="batches", placement=PLACEMENT):
    return ShuffledBatches(splits, size, seed, purpose, placement)


def rows(batch):
    """Which images a batch is made of."""
    return batch.images[:, 0, 2, 2].round().int().tolist()


def seen(batches):
    return [row for batch in batches for row in rows(batch)]


@pytest.mark.parametrize("size", [1, 3, 8, 16, 50, 64])
@pytest.mark.parametrize("count", [2, 3, 16, 17, 49, 50])
def test_every_sample_once_per_pass(make_split, count, size):
    stream = shuffled(make_split(20, 20 + count), size=size)
    batches = list(stream.epoch(0))
    assert Counter(seen(batches)) == Counter(range(20, 20 + count))
    assert len(batches) == len(stream)
    assert [row % 7 for row in seen(batches)] == torch.cat([b.labels for b in batches]).tolist()
    assert sum(b.counts["retain"] for b in batches) == count


def test_equal_passes_for_equal_indices_and_only_for_them(make_split):
    split = make_split(0, 64, augment=True, crop=1)
    stream = shuffled(split)
    later = list(stream.epoch(3))
    again = list(stream.epoch(3))
    assert all(torch.equal(a.images, b.images) for a, b in zip(later, again, strict=True))
    streams = {"index": stream.epoch(4), "text": stream.epoch("3.0"), "seed": shuffled(split, seed=1).epoch(3)}
    streams["purpose"] = shuffled(split, purpose="others").epoch(3)
    orders = [tuple(seen(epoch)) for epoch in (later, *streams.values())]
    assert len(set(orders)) == len(orders)


def test_a_pass_does_not_depend_on_what_ran_before(make_split):
    stream, other = shuffled(make_split(0, 40)), shuffled(make_split(40, 80), purpose="else")
    alone = seen(stream.epoch(1))
    torch.manual_seed(5)
    together = [row for batch, _ in zip(stream.epoch(1), other.epoch(1), strict=True) for row in rows(batch)]
    assert together == alone


def test_passes_are_in_random_order(make_split):
    stream = shuffled(make_split(0, 100), size=10)
    first = torch.tensor([seen(stream.epoch(e))[:10] for e in range(200)]).float()
    assert first.mean().item() == pytest.approx(49.5, abs=2)  # 3 standard errors are 1.9


@pytest.mark.parametrize(
    ("total", "size", "sizes"),
    [
        (10, 4, [4, 4, 2]),
        (9, 4, [4, 5]),
        (5, 4, [5]),
        (8, 4, [4, 4]),
        (1, 4, [1]),
        (0, 4, []),
        (3, 1, [1, 2]),
        (3, 2, [3]),
    ],
)
def test_a_last_batch_of_one_joins_the_one_before(make_split, total, size, sizes):
    assert [stop - start for start, stop in batch_bounds(total, size)] == sizes
    stream = shuffled(make_split(0, total), size=size)
    assert [len(batch.labels) for batch in stream.epoch(0)] == sizes
    assert len(stream) == len(sizes)


def test_mixed_splits_are_shuffled_together_and_counted(make_split):
    forget, retain = make_split(0, 13, "forget"), make_split(50, 91, "retain")
    batches = list(shuffled(forget, retain, size=9).epoch(0))
    assert Counter(seen(batches)) == Counter([*range(13), *range(50, 91)])
    for batch in batches:
        assert batch.counts == {"forget": sum(r < 13 for r in rows(batch)), "retain": sum(r >= 50 for r in rows(batch))}
    assert sum(0 < batch.counts["forget"] < len(batch.labels) for batch in batches) > len(batches) / 2


def test_an_empty_split_adds_nothing_to_a_mix(make_split):
    batches = list(shuffled(make_split(0, 0, "none"), make_split(0, 5), make_split(5, 5, "nil"), size=2).epoch(0))
    assert sorted(seen(batches)) == list(range(5))
    assert {name: sum(b.counts[name] for b in batches) for name in batches[0].counts} == {
        "none": 0,
        "retain": 5,
        "nil": 0,
    }


def test_relabelled_samples_carry_their_new_labels_into_a_mix(make_split):
    forget = make_split(0, 10, "forget")
    wrong = forget.relabelled(torch.full((10,), 9))
    for batch in shuffled(wrong, make_split(50, 70), size=6).epoch(0):
        assert [label == 9 for label in batch.labels.tolist()] == [row < 10 for row in rows(batch)]
    assert not (forget.labels == 9).any()


def test_only_splits_of_the_same_images_mix(make_split):
    one = make_split(0, 5)
    other = replace(make_split(5, 9), images=one.images.clone())
    with pytest.raises(ValueError, match="same images"):
        next(shuffled(one, other).epoch(0))


def test_channels_last_changes_the_layout_only(make_split):
    split = replace(make_split(0, 9), images=torch.randint(0, 256, (200, 3, 4, 4), dtype=torch.uint8))
    split = replace(split, transform=Transform(mean=(0.5,) * 3, std=(0.5,) * 3))
    plain = next(shuffled(split, size=9).epoch(0)).images
    turned = next(shuffled(split, size=9, placement=Placement(torch.device("cpu"), True)).epoch(0)).images
    assert turned.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain, turned)


def paired(make_split, sampling, *, repeats=4, size=4, retain=40):
    forget, kept = shuffled(make_split(0, 12, "forget"), size=size), shuffled(make_split(100, 100 + retain), size=size)
    return PairedBatches(forget, kept, repeats, sampling)


@pytest.mark.parametrize("sampling", ["random", "first"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_every_forget_batch_meets_its_number_of_retain_batches(make_split, sampling, repeats):
    pairs = paired(make_split, sampling, repeats=repeats)
    epoch = list(pairs.epoch(0))
    assert len(epoch) == len(pairs) == 3 * repeats
    assert Counter(row for pair in epoch for row in rows(pair.forget)) == Counter(list(range(12)) * repeats)
    for start in range(0, len(epoch), repeats):
        assert len({tuple(rows(pair.forget)) for pair in epoch[start : start + repeats]}) == 1
    assert all(pair.counts == {"forget": 4, "retain": 4} for pair in epoch)


def test_random_retain_batches_are_fresh_for_every_forget_batch(make_split):
    pairs = paired(make_split, "random", repeats=2)
    epoch = [rows(pair.retain) for pair in pairs.epoch(0)]
    assert len({row for batch in epoch for row in batch}) == 24, "6 disjoint batches of 4: none is used twice in a lap"
    assert epoch == [rows(pair.retain) for pair in pairs.epoch(0)]
    assert epoch != [rows(pair.retain) for pair in pairs.epoch(1)]


def test_random_retain_batches_never_run_dry(make_split):
    epoch = [row for pair in paired(make_split, "random", retain=8).epoch(0) for row in rows(pair.retain)]
    assert len(epoch) == 48
    laps = [epoch[i : i + 8] for i in range(0, 48, 8)]
    assert all(sorted(lap) == list(range(100, 108)) for lap in laps)
    assert len(set(map(tuple, laps))) == 6, "a new order every lap"


def test_first_retain_batches_are_always_the_same_in_file_order(make_split):
    pairs = paired(make_split, "first", repeats=2)
    for index in (0, 1):
        epoch = [rows(pair.retain) for pair in pairs.epoch(index)]
        assert epoch == [[100, 101, 102, 103], [104, 105, 106, 107]] * 3


def test_first_retain_batches_start_over_in_a_small_retain_set(make_split):
    epoch = [rows(pair.retain) for pair in paired(make_split, "first", repeats=2, retain=6).epoch(0)]
    assert epoch[:2] == [[100, 101, 102, 103], [104, 105, 100, 101]]


def test_streams_are_not_cached_as_cycle_would(make_split):
    stream = shuffled(make_split(0, 16), size=4)
    cached = list(islice(cycle(stream.epoch(0)), 8))
    assert [rows(b) for b in cached[:4]] == [rows(b) for b in cached[4:]], "the trap: one order, forever"
    epochs = [[rows(b) for b in stream.epoch(e)] for e in range(4)]
    assert all(a != b for a, b in pairwise(epochs))


def test_augmentation_is_drawn_anew_every_pass(make_split):
    stream = shuffled(make_split(1, 17, augment=True, crop=1), size=16)
    edges = [next(stream.epoch(e)).images.ne(0).float().mean().item() for e in range(5)]
    assert len(set(edges)) > 1


def test_chained_streams_follow_one_another(make_split):
    chained = Chained((shuffled(make_split(0, 6, "forget"), size=4), shuffled(make_split(50, 60), size=4)))
    epoch = list(chained.epoch(2))
    assert [list(batch.counts) for batch in epoch] == [["forget"]] * 2 + [["retain"]] * 3
    assert len(chained) == 5
    assert sorted(seen(epoch)) == [*range(6), *range(50, 60)]


def test_redrawn_streams_are_made_for_each_pass(make_split):
    split = make_split(0, 10)

    def relabelled(epoch):
        return shuffled(split.relabelled(torch.full((10,), epoch)), size=4)

    redrawn: Redrawn[Batch] = Redrawn(relabelled)
    assert len(redrawn) == 3
    for epoch in (0, 3):
        assert torch.cat([b.labels for b in redrawn.epoch(epoch)]).unique().tolist() == [epoch]
    assert seen(redrawn.epoch(1)) == seen(relabelled(1).epoch(1))
