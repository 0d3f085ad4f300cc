import pytest
import torch

from cu.data.splits import DatasetOptions, Part, image_data, stratified, whole
from cu.errors import ConfigError

LABELS = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
CLASSES = ("a", "b", "c")


def make(train_labels=LABELS, rows=None, channels=1, **overrides):
    def images(count):
        return torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, channels, 2, 2).contiguous()

    settings = {
        "train_size": None,
        "test_size": None,
        "val_fraction": 0.1,
        "augment": False,
        "crop": 0,
        "flip": False,
        "download": False,
        "mean": [0.0] * channels,
        "std": [1.0] * channels,
    }
    train = whole(images(len(train_labels)), train_labels)
    if rows is not None:
        train = Part(images=train.images, labels=train.labels, rows=rows)
    test = whole(images(40), torch.arange(40) % 3)
    return image_data(DatasetOptions(**{**settings, **overrides}), train, test, CLASSES)


def test_train_and_val_partition_the_training_file_and_keep_its_order():
    data = make()
    assert sorted(data.train.ids.tolist() + data.val.ids.tolist()) == list(range(100))
    for split in (data.train, data.val, data.test):
        assert split.ids.equal(split.ids.sort().values)
        assert split.ids.equal(split.rows)
        # The test images carry their file position as pixel value.
        assert split.images[split.rows][:, 0, 0, 0].long().equal(split.ids)
    assert data.train.labels.equal(LABELS[data.train.ids])
    assert (data.train.name, data.val.name, data.test.name) == ("train", "val", "test")
    assert data.class_names == CLASSES


def test_val_is_stratified():
    assert make().val.labels.bincount().tolist() == [5, 3, 2]


def test_train_and_val_share_one_image_tensor():
    data = make()
    assert data.train.images is data.val.images
    assert data.train.images.data_ptr() != data.test.images.data_ptr()


def test_splits_are_the_same_in_every_run_whatever_the_global_seed():
    torch.manual_seed(1)
    first = make(train_size=60, test_size=10)
    torch.manual_seed(2)
    second = make(train_size=60, test_size=10)
    for name in ("train", "val", "test"):
        assert getattr(first, name).ids.equal(getattr(second, name).ids)


def test_validation_ids_are_pinned():
    # A changed choice would let old original models have trained on today's validation images.
    assert make().val.ids.tolist() == [5, 14, 27, 30, 36, 61, 65, 78, 81, 82]


def test_val_is_not_taken_from_the_ends_of_the_classes():
    labels = torch.arange(10).repeat_interleave(100)
    place_in_class = make(train_labels=labels).val.ids % 100
    assert 40 < place_in_class.float().mean() < 60
    assert place_in_class.float().std() > 20


def test_train_size_counts_the_validation_images():
    data = make(train_size=50, val_fraction=0.2)
    assert (len(data.train), len(data.val)) == (40, 10)
    assert len(data.train.images) == 100
    assert data.train.ids.max() > 50


def test_a_smaller_train_size_is_part_of_a_larger_one():
    small, large = (set(make(train_size=size, val_fraction=0.0).train.ids.tolist()) for size in (20, 60))
    assert small < large


def test_no_validation_split():
    data = make(val_fraction=0.0)
    assert len(data.val) == 0
    assert data.train.ids.tolist() == list(range(100))


def test_test_size():
    data = make(test_size=7)
    assert len(data.test) == 7
    assert data.test.ids.tolist() != list(range(7))
    assert data.test.labels.equal(data.test.ids % 3)


def test_rows_of_a_part_become_ids():
    rows = torch.arange(0, 100, 2)
    data = make(rows=rows)
    assert sorted(data.train.ids.tolist() + data.val.ids.tolist()) == rows.tolist()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"train_size": 101}, r"dataset\.train_size=101.*100 images"),
        ({"test_size": 41}, r"dataset\.test_size=41.*40 images"),
        ({"train_size": 4, "val_fraction": 0.1}, r"dataset\.val_fraction=0\.1 of 4 training images holds out 0"),
        ({"train_size": 1, "val_fraction": 0.9}, r"dataset\.val_fraction=0\.9 of 1 training images holds out 1"),
        ({"mean": [0.0, 0.0]}, r"dataset\.mean has 2 values, but the images have 1 channel"),
        ({"std": []}, r"dataset\.std has 0 values"),
    ],
)
def test_options_that_do_not_fit_the_data(overrides, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make(**overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.1, 0.33, 0.5, 0.9, 1.0])
def test_stratified_gives_each_class_its_share_rounded_down_or_up(fraction):
    labels = torch.randint(0, 7, (531,), generator=torch.Generator().manual_seed(0))
    chosen = stratified(labels, fraction)
    total = round(fraction * 531)
    assert int(chosen.sum()) == total
    for label in range(7):
        share = total * int(labels.eq(label).sum()) / 531
        assert abs(int((chosen & labels.eq(label)).sum()) - share) < 1


def test_stratified_of_nothing_is_nothing():
    assert len(stratified(torch.zeros(0, dtype=torch.long), 0.5)) == 0
