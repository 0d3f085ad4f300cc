import threading
from itertools import islice

import pytest
import torch

from cu.data.batches.shuffled import ShuffledBatches
from cu.data.batches.views import TwoViewBatches
from cu.data.placement import Placement, fetched_ahead
from cu.data.transforms import Transform
from cu.data.types import Split

CPU = torch.device("cpu")


@pytest.fixture
def split():
    images = torch.randint(256, (50, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    transform = Transform(mean=(0.5,) * 3, std=(0.25,) * 3, crop=2, flip=True, augment=True)
    return Split("retain", images, torch.arange(5, 45), torch.arange(40) % 4, torch.arange(40), transform)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_what_is_fetched_ahead_comes_in_order_and_whole(count):
    assert list(fetched_ahead(iter(range(5)), count)) == [0, 1, 2, 3, 4]
    assert list(fetched_ahead(iter([]), count)) == []


def test_one_other_thread_is_so_many_items_ahead():
    made = []

    def items():
        for number in range(10):
            made.append(threading.get_ident())
            yield number

    ahead = fetched_ahead(items(), 2)
    assert next(ahead) == 0
    ahead.close()
    assert 1 <= len(made) <= 4
    assert set(made) - {threading.get_ident()} == set(made)
    assert len(set(made)) == 1
    assert not [t for t in threading.enumerate() if t.name.startswith("gathers-batches")]


def test_an_error_is_raised_where_its_item_would_have_come():
    def items():
        yield 1
        raise OSError("gone")

    ahead = fetched_ahead(items(), 2)
    assert next(ahead) == 1
    with pytest.raises(OSError, match="gone"):
        next(ahead)


def test_gathering_ahead_changes_no_batch(split):
    def batches(ahead):
        stream = ShuffledBatches((split,), 8, 0, "batches", Placement(CPU, True, ahead))
        views = TwoViewBatches(stream).epoch(1)
        return [(b.images, b.labels) for b in stream.epoch(3)] + [(v.second, v.batch.labels) for v in views]

    for one, other in zip(batches(0), batches(2), strict=True):
        assert all(
            torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True)
        )


def test_a_stream_left_early_leaves_no_thread(split):
    stream = ShuffledBatches((split,), 4, 0, "batches", Placement(CPU, False, ahead=2))
    assert len(list(islice(stream.epoch(0), 2))) == 2
    assert not [t for t in threading.enumerate() if t.name.startswith("gathers-batches")]


@pytest.mark.parametrize("channels_last", [False, True])
def test_views_are_made_in_the_layout_of_their_placement(split, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    place, positions = Placement(CPU, channels_last), torch.tensor([3, 1, 8])
    view, plain = (
        split.train_view(positions, torch.Generator().manual_seed(2), place),
        split.eval_view(positions, place),
    )
    assert view.is_contiguous(memory_format=layout)
    assert plain.is_contiguous(memory_format=layout)
    assert torch.equal(view, split.train_view(positions, torch.Generator().manual_seed(2)))
    assert torch.equal(plain, split.eval_view(positions))
