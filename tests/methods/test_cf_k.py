import pytest
import torch

from cu.methods.cf_k import CfK
from cu.methods.finetune import FineTune

CLASSIFIER = {"head.classifier.weight", "head.classifier.bias"}
PROJECTOR = {f"head.projector.{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")}


@pytest.mark.parametrize(("layers", "expected"), [(1, CLASSIFIER), (3, CLASSIFIER | PROJECTOR)])
def test_all_before_the_last_layers_stays_bit_identical(original, toy_tasks, make_run, make_recipe, layers, expected):
    method = CfK(recipe=make_recipe(weight_decay=0.1), layers=layers)
    model, known = method.unlearn(original, toy_tasks["class"], make_run()), original.state_dict()
    assert {n for n, value in model.state_dict().items() if not torch.equal(value, known[n])} == expected
    assert all(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize("layers", [4, 100])
def test_of_all_layers_it_is_fine_tuning(original, toy_tasks, make_run, make_recipe, same_weights, layers):
    recipe, task = make_recipe(augment=True), toy_tasks["class"]
    model = CfK(recipe=recipe, layers=layers).unlearn(original, task, make_run())
    assert same_weights(model, FineTune(recipe=recipe).unlearn(original, task, make_run()))
