import pytest
import torch

from cu.engine.predict import accuracy
from cu.errors import ConfigError
from cu.methods.finetune import FineTune
from cu.methods.weight_negation import Negation, negated


@pytest.mark.parametrize("layers", [(), (0,), (1, 3)])
def test_twice_is_the_identity_and_once_flips_the_named_weights_only(original, same_weights, layers):
    names = ["encoder.0.weight", "head.projector.0.weight", "head.projector.2.weight", "head.classifier.weight"]
    flipped, known = negated(original, layers), original.state_dict()
    for name, value in flipped.state_dict().items():
        assert torch.equal(value, -known[name] if name in [names[k] for k in layers] else known[name])
    assert same_weights(negated(flipped, layers), original)
    assert same_weights(negated(original, (*layers, *layers)), flipped)


def test_without_layers_it_is_fine_tuning(original, toy_tasks, make_run, make_recipe, same_weights):
    recipe, task = make_recipe(augment=True), toy_tasks["class"]
    model = Negation(recipe=recipe, layers=()).unlearn(original, task, make_run())
    assert same_weights(model, FineTune(recipe=recipe).unlearn(original, task, make_run()))


def test_it_starts_from_the_negated_model_and_recovers(
    original, toy_tasks, make_run, make_recipe, same_weights, hardware
):
    task = toy_tasks["class"]
    start, end = (
        Negation(recipe=make_recipe(epochs=epochs, lr=0.1, batch_size=16), layers=(0,)).unlearn(
            original, task, make_run()
        )
        for epochs in (0, 8)
    )
    assert same_weights(start, negated(original, (0,)))
    assert accuracy(start, task.retain, hardware) < 0.6
    assert accuracy(end, task.retain, hardware) > 0.9


def test_a_layer_that_does_not_exist(original):
    with pytest.raises(ConfigError, match=r"method\.layers: there is no layer 4; they run from 0 to 3"):
        negated(original, (0, 4))
