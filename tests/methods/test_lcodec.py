from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from cu.engine.numerics.filters import filter_activations, filter_rows
from cu.engine.numerics.gradients import batch_gradient, mean_gradient, plain_batches
from cu.engine.numerics.secant import damped_solve, secant
from cu.errors import ConfigError
from cu.methods.lcodec import LCODEC
from cu.methods.types import scenarios_of


def lcodec(**settings):
    plain = {
        "perturbations": 60,
        "perturbation": 0.1,
        "candidates": 8,
        "damping": 0.01,
        "step": 1e-3,
        "epsilon": None,
        "delta": 0.01,
        "max_accuracy_drop": None,
    }
    return LCODEC(**{**plain, **settings})


@pytest.fixture
def few(toy_tasks):
    task = toy_tasks["sample"]
    return replace(task, forget=task.forget.subset(torch.arange(3)))


def test_it_is_meant_for_samples():
    assert scenarios_of(lcodec()) == ("sample",)


@pytest.mark.parametrize(
    ("n", "damping", "expected"), [(50_000, 0.01, 6.2e-3), (50_000, 1e-3, 6.2), (50_000, 0.1, 6.2e-6)]
)
def test_noise_scale_of_the_paper(n, damping, expected):
    assert lcodec(epsilon=0.1, damping=damping).noise_scale(n) == pytest.approx(expected, rel=0.01)


def test_damped_solve_is_the_dense_solution():
    source = torch.Generator().manual_seed(0)
    u, c = torch.randn(20, 2, generator=source, dtype=torch.double), torch.tensor([1.1, -0.1], dtype=torch.double)
    g = torch.randn(20, generator=source, dtype=torch.double)
    dense = u @ torch.diag(c) @ u.T + 0.5 * torch.eye(20, dtype=torch.double)
    torch.testing.assert_close(damped_solve(u, c, 0.5, g), torch.linalg.solve(dense, g))
    torch.testing.assert_close(damped_solve(0 * u, c, 0.5, g), g / 0.5)


def test_a_secant_is_the_hessian_along_the_gradient(make_model, toy_data):
    torch.manual_seed(0)
    model, split = make_model("linear").eval(), toy_data.train
    images, labels = split.eval_view(torch.arange(8)), split.labels[:8]
    weight = model.head.classifier.weight
    loss = F.cross_entropy(model(images).logits, labels)
    every = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
    curved = torch.autograd.grad(sum((g * g.detach()).sum() for g in every), weight)[0]
    found = secant(model, lambda at: batch_gradient(at, images, labels), 1e-2)
    name = "head.classifier.weight"
    error = found.gradient_change[name] / -1e-2 - curved
    assert error.norm() < 0.05 * curved.norm()
    assert found.gradient_change[name].abs().max() > 0, "the second gradient is not the first"
    factor = found.factor([(name, 1)])
    change, moved = found.gradient_change[name][1], found.weight_change[name][1]
    torch.testing.assert_close(torch.outer(factor, factor).float(), torch.outer(change, change) / moved.abs().sum())


def test_only_chosen_rows_change_and_the_samples_loss_goes_up(original, few, make_run, hardware):
    method = lcodec()
    data = secant(original, lambda at: mean_gradient(at, few.retain, hardware), method.step)
    image, label = next(iter(plain_batches(few.forget, 1, hardware)))
    before = {n: w.detach().clone() for n, w in original.named_parameters()}
    loss = F.cross_entropy(original(image).logits, label)
    rows = method.remove(original, image, label, data, 10, make_run().generator("x"))
    assert rows
    for name, weight in original.named_parameters():
        frozen = [k for k in range(len(weight)) if (name, k) not in rows]
        assert torch.equal(weight[frozen], before[name][frozen])
    for (name, row), kept in rows.items():
        assert torch.equal(kept, before[name][row])
    assert F.cross_entropy(original(image).logits, label) > loss


def test_removals_that_cost_accuracy_are_undone(original, few, make_run, same_weights):
    log = []
    run = make_run(log=lambda values, step: log.append(values))
    model = lcodec(epsilon=1e-9, max_accuracy_drop=0.05).unlearn(original, few, run)
    assert same_weights(model, original)
    assert log[-1]["lcodec/undone"] == 3
    assert not same_weights(lcodec(max_accuracy_drop=0.05).unlearn(original, few, make_run()), original)


def test_without_val_samples_there_is_nothing_to_look_at(original, few, make_run):
    task = replace(few, val=few.val.subset(torch.arange(0)))
    with pytest.raises(ConfigError, match=r"method\.max_accuracy_drop"):
        lcodec(max_accuracy_drop=0.05).unlearn(original, task, make_run())


def test_activations_are_the_mean_outputs_of_their_filters(original, toy_data):
    images = toy_data.test.eval_view(torch.arange(5))
    means, logits = filter_activations(original, images)
    rows = filter_rows(original)
    assert means.shape == (5, len(rows))
    assert rows[0] == ("encoder.0.weight", 0)
    assert rows[-1] == ("head.classifier.weight", 3)
    torch.testing.assert_close(means[:, -4:], logits)
    torch.testing.assert_close(means[:, :8], original.encoder[0](images).mean((2, 3)))


def test_layers_that_look_alike_keep_their_own_activations(make_model, toy_data):
    torch.manual_seed(0)
    model = make_model().eval()
    images = toy_data.test.eval_view(torch.arange(5))
    model.encoder = torch.nn.Sequential(model.encoder, torch.nn.Linear(32, 32), torch.nn.Linear(32, 32))
    means, _ = filter_activations(model, images)
    assert means.shape[1] == len(filter_rows(model))
    first = model.encoder[1](model.encoder[0](images))
    torch.testing.assert_close(means[:, 8:40], first)
    torch.testing.assert_close(means[:, 40:72], model.encoder[2](first))
