import pytest
import torch

from cu.data.batches.shuffled import Batch
from cu.data.batches.tagged import Tagged
from cu.engine.fit import cross_entropy
from cu.errors import ConfigError
from cu.methods.finetune import FineTune
from cu.methods.l1_sparse import L1Sparse, penalised_cross_entropy


def norm(model):
    return sum(weight.detach().abs().sum().item() for weight in model.parameters())


def make_method(recipe, penalty=0.1, decay="linear", plain_epochs=0):
    return L1Sparse(recipe=recipe, penalty=penalty, decay=decay, plain_epochs=plain_epochs)


@pytest.mark.parametrize(
    ("decay", "plain", "expected"),
    [
        ("linear", 0, [0.1, 0.08, 0.06, 0.04, 0.02]),
        ("linear", 3, [0.1, 0.05, 0, 0, 0]),
        ("constant", 0, [0.1] * 5),
        ("constant", 1, [0.1] * 4 + [0]),
        ("linear", 5, [0] * 5),
    ],
)
def test_the_schedule(make_recipe, decay, plain, expected):
    method = make_method(make_recipe(epochs=5), decay=decay, plain_epochs=plain)
    assert [method.penalty_of(epoch) for epoch in range(5)] == pytest.approx(expected)


@pytest.mark.parametrize("settings", [{"penalty": 0.0}, {"plain_epochs": 2}])
def test_without_penalty_it_is_fine_tuning(original, toy_tasks, make_run, make_recipe, same_weights, settings):
    recipe, task = make_recipe(augment=True), toy_tasks["class"]
    model = make_method(recipe, **settings).unlearn(original, task, make_run())
    assert same_weights(model, FineTune(recipe=recipe).unlearn(original, task, make_run()))


def test_the_norm_falls_as_the_penalty_rises(original, toy_tasks, make_run, make_recipe):
    norms = [
        norm(make_method(make_recipe(), penalty).unlearn(original, toy_tasks["class"], make_run()))
        for penalty in (0.0, 1e-3, 1e-2, 1e-1)
    ]
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] < 0.7 * norms[0]


def test_every_parameter_is_penalised(original, toy_tasks):
    split = toy_tasks["class"].retain
    batch = Batch(split.eval_view(torch.arange(9)), split.labels[:9], {})
    weights = list(original.parameters())
    with_penalty = torch.autograd.grad(penalised_cross_entropy(original, Tagged(batch, 0.25)), weights)
    without = torch.autograd.grad(cross_entropy(original, batch), weights)
    for weight, one, other in zip(weights, with_penalty, without, strict=True):
        torch.testing.assert_close(one - other, 0.25 * weight.detach().sign(), atol=1e-6, rtol=0)


def test_more_plain_epochs_than_epochs_is_a_mistake(original, toy_tasks, make_run, make_recipe):
    with pytest.raises(ConfigError, match=r"method\.plain_epochs must be at most method\.recipe\.epochs=2"):
        make_method(make_recipe(), plain_epochs=3).unlearn(original, toy_tasks["class"], make_run())
