import pytest
import torch

from cu.engine.numerics.attack import (
    doubling_attack,
    fgsm,
    input_gradient,
    l2_descent,
    on_pixels,
    pixels_of,
    predicted,
    shortened,
    unit,
)

RADIUS = 0.04


@pytest.fixture
def attacked(original, toy_data, hardware):
    """Logits by pixels, clean pixels, true labels."""
    split = toy_data.test
    pixels, labels = pixels_of(split, torch.arange(len(split)), hardware)
    return on_pixels(original, split, hardware), pixels, labels


def lengths(offset):
    return offset.flatten(1).norm(dim=1)


def test_pixels_are_normalised_as_the_model_was_trained(original, toy_data, attacked):
    logits, pixels, _ = attacked
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    with torch.no_grad():
        expected = original(toy_data.test.eval_view(torch.arange(len(pixels)))).logits
        torch.testing.assert_close(logits(pixels), expected, atol=1e-4, rtol=1e-4)


def test_input_gradient_is_a_finite_difference_of_the_summed_loss():
    source = torch.Generator().manual_seed(0)
    pixels, direction = torch.rand(2, 3, 1, 2, 2, generator=source, dtype=torch.double)
    weight = torch.randn(4, 5, generator=source, dtype=torch.double)
    labels = torch.tensor([0, 4, 2])

    def logits(x):
        return (x.flatten(1) @ weight).sin()

    def loss(x):
        return torch.nn.functional.cross_entropy(logits(x), labels, reduction="sum")

    difference = (loss(pixels + 1e-6 * direction) - loss(pixels - 1e-6 * direction)) / 2e-6
    torch.testing.assert_close((input_gradient(logits, pixels, labels)[0] * direction).sum(), difference)


def test_success_of_one_step_grows_with_its_size_and_stays_in_range(attacked):
    logits, pixels, labels = attacked
    rates = []
    for epsilon in (0.0, 0.05, 0.15, 0.3):
        moved = fgsm(logits, pixels, labels, epsilon)
        assert moved.min() >= 0
        assert moved.max() <= 1
        assert (moved - pixels).abs().max() <= epsilon + 1e-6
        rates.append((predicted(logits, moved) != labels).double().mean().item())
    assert rates == sorted(rates)
    assert rates[-1] > rates[0] + 0.3


def test_doubling_finds_a_wrong_class_within_the_radius_it_reports(attacked):
    logits, pixels, labels = attacked
    moved, needed = doubling_attack(logits, pixels, labels, RADIUS, 50)
    assert needed.isfinite().all()
    right = predicted(logits, pixels) == labels
    assert (predicted(logits, moved) != labels).all()
    assert (lengths(moved - pixels) <= needed * (1 + 1e-5)).all()
    assert moved.min() >= 0
    assert moved.max() <= 1
    doublings = (needed[right] / RADIUS).log2()
    torch.testing.assert_close(doublings, doublings.round(), atol=1e-4, rtol=0)
    assert doublings.min() >= 0
    assert (needed[~right] == 0).all()
    assert torch.equal(moved[~right], pixels[~right])


def test_half_the_radius_did_not_suffice(attacked):
    logits, pixels, labels = attacked
    _, needed = doubling_attack(logits, pixels, labels, RADIUS, 50)
    top = needed == needed.max()
    assert needed.max() > RADIUS
    # The path to the last ball leads through all smaller ones, so it is followed from the start.
    current, radius = pixels[top], RADIUS
    while radius < needed.max() * 0.9:
        current, fooled = l2_descent(logits, pixels[top], current, labels[top], radius, 50)
        assert not fooled.any()
        radius *= 2


def test_a_sample_stands_still_once_misclassified(attacked):
    logits, pixels, labels = attacked
    moved, fooled = l2_descent(logits, pixels, pixels, labels, 1.0, 50)
    again, _ = l2_descent(logits, pixels, moved, labels, 1.0, 50)
    assert fooled.any()
    assert torch.equal(moved[fooled], again[fooled])


def test_a_model_that_ignores_its_input_is_given_up():
    def logits(pixels):
        return pixels.flatten(1)[:, :2] * 0 + torch.tensor([1.0, 0.0])

    images = torch.rand(3, 1, 2, 2)
    moved, needed = doubling_attack(logits, images, torch.zeros(3, dtype=torch.long), RADIUS, 2)
    assert needed.isinf().all()
    assert torch.equal(moved, images)


def test_attacks_leave_the_model_as_it_was(original, toy_data, hardware, same_weights, make_model):
    before = make_model()
    before.load_state_dict(original.state_dict())
    original.train().zero_grad(set_to_none=True)
    split = toy_data.test
    pixels, labels = pixels_of(split, torch.arange(9), hardware)
    doubling_attack(on_pixels(original, split, hardware), pixels, labels, RADIUS, 5)
    assert same_weights(original, before)
    assert original.training
    assert all(weight.grad is None for weight in original.parameters())


def test_unit_and_shortened_are_per_sample():
    gradient = torch.stack([torch.full((1, 2, 2), 1e-30), torch.zeros(1, 2, 2), torch.full((1, 2, 2), 3.0)])
    assert lengths(unit(gradient)).tolist() == pytest.approx([1, 0, 1])
    assert lengths(shortened(gradient, 2.0)).tolist() == pytest.approx([0, 0, 2])
