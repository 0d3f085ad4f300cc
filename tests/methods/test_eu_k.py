import pytest
import torch

from cu.engine.fit import cross_entropy, fit
from cu.engine.predict import accuracy, predict
from cu.methods.eu_k import EuK
from cu.methods.retrain import Retrain

OF_RETRAINING = {"schedule": "one_cycle", "epochs": 6, "lr": 0.2, "batch_size": 16}


@pytest.mark.parametrize("layers", [4, 100])
def test_of_all_layers_it_is_retraining(original, toy_tasks, make_run, make_recipe, same_weights, layers):
    task = toy_tasks["class"]
    recipe, run = make_recipe(**OF_RETRAINING), make_run(seed=0)
    model = EuK(recipe=recipe, layers=layers).unlearn(original, task, make_run(seed=0))
    fresh = run.new_model("eu_k")
    assert same_weights(model, fit(fresh, run.batches(task.retain, recipe), cross_entropy, recipe, run))
    assert not same_weights(model, Retrain().unlearn(original, task, make_run(seed=0))), "another initialisation"


def test_the_new_weights_are_not_those_that_the_original_began_with(original, toy_tasks, make_run, make_recipe):
    """The original of the toy world was trained with seed 0, and so is this run."""
    run = make_run(seed=0)
    began = run.new_model()
    start = EuK(recipe=make_recipe(epochs=0), layers=100).unlearn(original, toy_tasks["class"], run)
    for name, weight in start.named_parameters():
        assert weight.ndim < 2 or not torch.equal(weight, began.get_parameter(name)), name


@pytest.mark.parametrize("layers", [1, 3])
def test_the_last_layers_start_anew_and_the_others_stay(original, toy_tasks, make_run, make_recipe, layers):
    run, task = make_run(seed=4), toy_tasks["class"]
    known, fresh = original.state_dict(), make_run(seed=4).new_model("eu_k").state_dict()
    start, end = (
        EuK(recipe=make_recipe(epochs=epochs), layers=layers).unlearn(original, task, run).state_dict()
        for epochs in (0, 2)
    )
    reset = tuple(["head.classifier", "head.projector.2", "head.projector.0"][:layers])
    for name in known:
        assert torch.equal(start[name], (fresh if name.startswith(reset) else known)[name]), name
        assert torch.equal(end[name], start[name]) != name.startswith(reset), name


def test_a_reset_classifier_forgets_what_its_embedding_still_knows(
    original, toy_tasks, make_run, make_recipe, hardware
):
    task = toy_tasks["class"]
    model = EuK(recipe=make_recipe(lr=0.2, epochs=8), layers=1).unlearn(original, task, make_run())
    assert accuracy(model, task.forget, hardware) == 0
    assert accuracy(model, task.retain, hardware) > 0.9
    before, after = (predict(m, task.forget, hardware).embedding for m in (original, model))
    assert torch.equal(before, after)
