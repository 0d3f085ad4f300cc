"""Squares are those of the transforms that users write with torchvision."""

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from cu.data.datasets.framing import Framing


@pytest.fixture(params=[(90, 60), (60, 90), (64, 64)])
def image(request):
    width, height = request.param
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_stretching_is_a_resize_to_the_square(image, interpolation):
    mode = InterpolationMode(interpolation)
    expected = transforms.Resize((32, 32), mode)(image)
    found = Framing(size=32, resize="stretch", interpolation=interpolation).framed(image)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("size", [28, 42])
def test_covering_with_a_share_is_resize_and_centre_crop(image, size):
    expected = transforms.Compose([transforms.Resize(round(size / 0.875)), transforms.CenterCrop(size)])(image)
    assert np.array_equal(Framing(size=size, crop_share=0.875).framed(image), expected)


def test_containing_keeps_the_shape_and_leaves_black_borders():
    found = np.asarray(Framing(size=40, channels=1, resize="contain").framed(Image.new("RGB", (80, 40), "white")))
    assert (found[:10] == 0).all()
    assert (found[10:30] == 255).all()
    assert (found[30:] == 0).all()
