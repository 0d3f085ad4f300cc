import math
from typing import Any

import pytest
import torch
from torchvision.transforms.v2 import RandomResizedCrop
from torchvision.transforms.v2 import functional as reference

from cu.data.resized_crop import central_box, random_boxes, resized_boxes, weights
from cu.data.splits import DatasetOptions, image_data, whole
from cu.data.transforms import Transform
from cu.errors import ConfigError

SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images():
    return torch.randint(256, (24, 3, 20, 28), dtype=torch.uint8, generator=generator())


def test_boxes_are_resized_as_torchvision_resizes_them(images):
    boxes = random_boxes(len(images), (20, 28), SCALE, RATIO, generator(1))
    found = resized_boxes(images, boxes)
    assert found.dtype == torch.uint8
    for image, view, box in zip(images, found, boxes.T.tolist(), strict=True):
        assert torch.equal(view, reference.resized_crop(image, *box, size=[20, 28], antialias=True))


def test_the_products_of_matrices_for_other_devices_give_the_same_pixels(images):
    boxes = random_boxes(len(images), (20, 28), SCALE, RATIO, generator(1))
    top, left, height, width = boxes
    down, across = weights(top, height, 20), weights(left, width, 28)
    for number, (image, (t, x, h, w)) in enumerate(zip(images, boxes.T.tolist(), strict=True)):
        box = image[None, :, t : t + h, x : x + w].float()
        expected = torch.nn.functional.interpolate(box, (20, 28), mode="bilinear", antialias=True)[0]
        torch.testing.assert_close(down[number] @ image.float() @ across[number].T, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("size", "scale", "ratio"), [((32, 32), SCALE, RATIO), ((20, 60), (0.5, 1.0), (0.5, 2.0))])
def test_boxes_are_drawn_as_torchvision_draws_them(size, scale, ratio):
    torch.manual_seed(0)
    theirs = RandomResizedCrop(8, scale=scale, ratio=ratio)
    drawn = [theirs.make_params([torch.zeros(1, *size)]) for _ in range(3000)]
    expected = torch.tensor([[p[name] for name in ("top", "left", "height", "width")] for p in drawn]).double()
    found = random_boxes(3000, size, scale, ratio, generator(2)).T.double()
    for name, one, other in zip(["top", "left", "height", "width"], found.T, expected.T, strict=True):
        error = math.sqrt((one.var() + other.var()) / 3000)
        assert abs(one.mean() - other.mean()) < 4 * error, name
        assert one.std().item() == pytest.approx(other.std().item(), rel=0.08)
        assert (one.min().item(), one.max().item()) == pytest.approx((other.min().item(), other.max().item()), abs=2)


def test_boxes_lie_within_the_image_and_the_middle_is_taken_where_none_fits():
    top, left, height, width = random_boxes(500, (9, 40), (0.9, 1.0), (0.5, 0.6), generator())
    assert bool((height == 9).all() and (width == 5).all() and (top == 0).all() and (left == 17).all())
    for size, ratio in (((9, 40), (0.5, 0.6)), ((40, 9), (0.5, 0.6)), ((30, 30), RATIO)):
        theirs = RandomResizedCrop(8, scale=(5.0, 5.0), ratio=ratio).make_params([torch.zeros(1, *size)])
        expected = [theirs[name] for name in ("top", "left", "height", "width")]
        assert central_box(*size, ratio).tolist() == expected


def test_a_training_view_is_a_resized_box_and_then_a_flip(images):
    transform = Transform(
        mean=(0.0,) * 3, std=(1 / 255,) * 3, crop=4, flip=True, augment=True, crop_scale=SCALE, crop_ratio=RATIO
    )
    source = generator(5)
    boxes = random_boxes(len(images), (20, 28), SCALE, RATIO, source)
    mirrored = torch.rand(len(images), generator=source) < 0.5
    view = transform.train(images, generator(5))
    for image, found, box, mirror in zip(images, view, boxes.T.tolist(), mirrored, strict=True):
        expected = reference.resized_crop(image, *box, size=[20, 28], antialias=True)
        assert torch.equal(found.round().byte(), expected.flip(-1) if mirror else expected)


def test_ranges_that_are_none_are_refused():
    images = torch.zeros(20, 1, 4, 4, dtype=torch.uint8)
    given: dict[str, Any] = {
        "train_size": None,
        "test_size": None,
        "val_fraction": 0.2,
        "augment": True,
        "crop": 0,
        "flip": False,
    }
    given |= {"download": False, "mean": [0.5], "std": [0.5]}
    part = whole(images, torch.arange(20) % 2)
    data = image_data(DatasetOptions(**given, crop_scale=[0.3, 1.0]), part, part, ("a", "b"))
    assert data.train.transform.crop_scale == (0.3, 1.0)
    for key, values in (("crop_scale", [0.5, 0.2]), ("crop_ratio", [2.0, 1.0])):
        with pytest.raises(ConfigError, match=rf"dataset\.{key}=\[{values[0]}, {values[1]}\] must be"):
            image_data(DatasetOptions(**given, **{key: values}), part, part, ("a", "b"))
