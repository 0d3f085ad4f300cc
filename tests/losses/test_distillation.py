import math

import pytest
import torch

from cu.losses.distillation import distillation_loss


def make_logits(seed, size=(5, 7)):
    return 3 * torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def divergence(student, teacher, temperature):
    """Sum over samples of KL(teacher || student), one logarithm at a time."""
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        p, q = ([math.exp(x / temperature) for x in row] for row in (t, s))
        p, q = [x / sum(p) for x in p], [x / sum(q) for x in q]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)
    return total


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize(("reduction", "parts"), [("batchmean", 5), ("mean", 35)])
@pytest.mark.parametrize("scale", [False, True])
def test_equals_its_definition(temperature, reduction, parts, scale):
    student, teacher = make_logits(0), make_logits(1)
    expected = divergence(student, teacher, temperature) / parts * (temperature**2 if scale else 1)
    loss = distillation_loss(student, teacher, temperature, reduction=reduction, scale=scale)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_the_reductions_differ_by_the_number_of_classes():
    student, teacher = make_logits(0), make_logits(1)
    by_sample = distillation_loss(student, teacher, 2.0, reduction="batchmean", scale=False)
    by_entry = distillation_loss(student, teacher, 2.0, reduction="mean", scale=False)
    assert (by_sample / by_entry).item() == pytest.approx(7, rel=1e-12)


def test_agreement_has_no_gradient():
    student = make_logits(0).requires_grad_()
    loss = distillation_loss(student, student.detach() + 5, 3.0, reduction="batchmean", scale=True)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-15)
    assert student.grad is not None
    assert student.grad.abs().max().item() < 1e-15


def test_a_class_without_probability_is_no_trouble():
    student, teacher = make_logits(0).requires_grad_(), make_logits(1)
    teacher[:, 2] = -torch.inf
    loss = distillation_loss(student, teacher, 1.0, reduction="batchmean", scale=False)
    assert loss.item() == pytest.approx(divergence(student.detach(), teacher, 1.0) / 5, rel=1e-12)
    (gradient,) = torch.autograd.grad(loss, student)
    torch.testing.assert_close(gradient, (student.detach().softmax(1) - teacher.softmax(1)) / 5)


def test_squared_temperature_keeps_the_size_of_gradients():
    # Hinton et al.: at high temperature the gradient tends to (student - teacher) / (B C), whatever the temperature.
    student, teacher = make_logits(0).requires_grad_(), make_logits(1)
    loss = distillation_loss(student, teacher, 1e4, reduction="batchmean", scale=True)
    (gradient,) = torch.autograd.grad(loss, student)
    centred = [x.detach() - x.detach().mean(1, keepdim=True) for x in (student, teacher)]
    torch.testing.assert_close(gradient, (centred[0] - centred[1]) / 35, rtol=1e-3, atol=1e-4)
