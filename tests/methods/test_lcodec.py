from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cu.engine.context import MethodContext
from cu.engine.numerics.dependence import select
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
        "activations": "standardised",
        "max_accuracy_drop": None,
        "undo_against": "original",
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
    assert rows[0] == (("encoder.0.weight", 0),), "that layer has no bias"
    assert rows[-1] == (("head.classifier.weight", 3), ("head.classifier.bias", 3))
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


def removed(original, few, make_run, **settings):
    """What one removal changes, and the gradient of the sample's loss: each by row."""
    method = lcodec(**settings)
    data = secant(original, lambda at: mean_gradient(at, few.retain, make_run().hardware), method.step)
    image, label = next(iter(plain_batches(few.forget, 1, make_run().hardware)))
    gradient = batch_gradient(original, image, label)
    before = method.remove(original, image, label, data, 10, make_run().generator("x"))
    after = dict(original.named_parameters())
    return {row: (after[row[0]][row[1]] - kept, gradient[row[0]][row[1]]) for row, kept in before.items()}


def test_weights_and_biases_of_a_chosen_filter_move_together(original, few, make_run):
    moved = removed(original, few, make_run)
    biases = {(name, row) for name, row in moved if name.endswith("bias")}
    assert biases
    for name, row in moved:
        if name.startswith("head"):
            assert (name.replace("weight", "bias"), row) in biases
    assert any(moved[row][0] != 0 for row in biases)


def test_the_step_is_gradient_ascent(original, few, make_run):
    """Of length 1 / (λ (n - 1)), because the secants vanish beside the damping."""
    change, gradient = (
        torch.cat([p.flatten() for p in part]) for part in zip(*removed(original, few, make_run).values(), strict=True)
    )
    assert torch.cosine_similarity(change.double(), gradient.double(), dim=0).item() == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(change, gradient / (0.01 * 9), atol=1e-3, rtol=1e-2)


def test_raw_activations_may_choose_other_filters_and_standardised_ones_ignore_scale():
    rng = np.random.default_rng(0)
    large, small = rng.normal(size=(2, 200))
    noise = rng.normal(size=200)
    outcome = np.sin(3 * small) + 0.3 * large
    features = np.stack([small, 100 * large, 1e4 * noise], 1)
    assert select(outcome, features, 3) == select(outcome, features / [1, 100, 1e4], 3)
    assert select(outcome, features, 3, standardise=False) != select(outcome, features, 3)


@pytest.mark.parametrize(("against", "undone"), [("original", 1), ("accepted", 0)])
def test_removals_are_undone_against_the_original_or_the_last_accepted(
    original, few, make_run, monkeypatch, against, undone
):
    """Three removals, each of which costs 4 points: the second costs 8 in all, the third is looked at after it."""
    seen, log = iter([0.90, 0.86, 0.82, 0.86] if against == "original" else [0.90, 0.86, 0.82, 0.78]), []
    monkeypatch.setattr(MethodContext, "accuracy", lambda self, model, split: next(seen))
    run = make_run(log=lambda values, step: log.append(values))
    lcodec(max_accuracy_drop=0.05, undo_against=against).unlearn(original, few, run)
    assert log[-1]["lcodec/undone"] == undone
