import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from cu.data.transforms import Transform, random_crop

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


@pytest.fixture
def images():
    return torch.randint(0, 256, (16, 3, 7, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def generator(seed=3):
    return torch.Generator().manual_seed(seed)


def test_plain_is_torchvision_normalize(images):
    expected = reference.normalize(images.float() / 255, list(MEAN), list(STD))
    plain = Transform(mean=MEAN, std=STD).plain(images)
    assert plain.dtype == torch.float32
    torch.testing.assert_close(plain, expected, atol=1e-5, rtol=1e-5)


def test_random_crop_is_a_window_of_the_padded_image(images):
    padding = 2
    offsets = torch.randint(0, 2 * padding + 1, (2, len(images)), generator=generator())
    cropped_images = random_crop(images, padding, generator())
    for cropped, image, top, left in zip(cropped_images, images, *offsets.tolist(), strict=True):
        for channel in range(3):
            for row in range(7):
                for column in range(9):
                    y, x = row + top - padding, column + left - padding
                    inside = 0 <= y < 7 and 0 <= x < 9
                    expected = int(image[channel, y, x]) if inside else 0
                    assert int(cropped[channel, row, column]) == expected


def test_random_crop_reaches_every_offset_and_keeps_shape_and_dtype():
    marked = torch.zeros(500, 1, 5, 5, dtype=torch.uint8)
    marked[:, 0, 2, 2] = 1
    cropped = random_crop(marked, 2, generator())
    assert cropped.shape == marked.shape
    assert cropped.dtype == torch.uint8
    places = {tuple(place) for place in cropped[:, 0].nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in range(5) for column in range(5)}


def test_without_augmentation_training_views_are_plain_views_in_order(images):
    transform = Transform(mean=MEAN, std=STD, crop=4, flip=True, augment=False)
    assert transform.train(images, generator()).equal(transform.plain(images))


def test_flip_mirrors_about_half_of_the_images_left_to_right():
    images = torch.randint(0, 256, (400, 1, 4, 6), dtype=torch.uint8, generator=generator(0))
    transform = Transform(mean=(0.0,), std=(1.0,), flip=True, augment=True)
    views = transform.train(images, generator())
    plain = transform.plain(images)
    kept = (views == plain).flatten(1).all(1)
    mirrored = (views == plain.flip(-1)).flatten(1).all(1)
    assert bool((kept ^ mirrored).all())
    assert 150 < int(mirrored.sum()) < 250


def test_augmentation_follows_its_generator_only(images):
    transform = Transform(mean=MEAN, std=STD, crop=2, flip=True, augment=True)
    torch.manual_seed(0)
    first = transform.train(images, generator(1))
    torch.manual_seed(1)
    assert transform.train(images, generator(1)).equal(first)
    assert not transform.train(images, generator(2)).equal(first)


def test_inputs_are_left_as_they_were(images):
    before = images.clone()
    Transform(mean=MEAN, std=STD, crop=2, flip=True, augment=True).train(images, generator())
    assert images.equal(before)


@pytest.mark.parametrize("channels_last", [False, True])
def test_views_do_not_depend_on_the_layout(images, channels_last):
    transform = Transform(mean=MEAN, std=STD, crop=3, flip=True, augment=True)
    view = transform.view(images, transform.draw(len(images), (7, 9), generator()), channels_last)
    naive = torch.stack(list(random_crop(images, 3, source := generator())))
    mirrored = torch.rand(len(images), generator=source) < 0.5
    naive = torch.stack([image.flip(-1) if chosen else image for image, chosen in zip(naive, mirrored, strict=True)])
    expected = reference.normalize(naive.float() / 255, list(MEAN), list(STD))
    torch.testing.assert_close(view, expected, atol=1e-5, rtol=1e-5)
    assert view.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


@pytest.mark.parametrize("how", [{}, {"crop": 2, "flip": True}, {"crop_scale": (0.3, 1.0), "flip": True}])
def test_no_images_have_no_views(images, how):
    transform = Transform(mean=MEAN, std=STD, augment=True, **how)
    assert transform.train(images[:0], generator()).shape == (0, 3, 7, 9)
