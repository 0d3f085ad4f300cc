from dataclasses import replace

import pytest
import torch

from cu.config.build import composed
from cu.config.validate import check
from cu.engine.predict import accuracy
from cu.errors import ConfigError
from cu.methods.negmerge import NegMerge, agreed


def negmerge(recipe, **settings):
    return NegMerge(**{"recipe": recipe, "epochs": (1, 2, 3), "scale": 1.0, **settings})


def test_what_agrees_is_averaged_and_all_else_is_0():
    vectors = [[1.0, -1.0, 2.0, 0.0, -3.0], [3.0, -2.0, -1.0, 5.0, -1.0], [2.0, -3.0, 1.0, 5.0, -2.0]]
    assert agreed([torch.tensor(v) for v in vectors]).tolist() == [2.0, -2.0, 0.0, 0.0, -2.0]
    assert agreed([torch.tensor(vectors[2])]).tolist() == vectors[2], "of one model all agree"


def test_the_outcome_is_the_original_minus_what_agrees(original, toy_tasks, make_run, make_recipe):
    """Entry by entry, from the models that were fine-tuned on the way."""
    task, recipe, run = toy_tasks["class"], make_recipe(lr=0.01, batch_size=8), make_run()
    method = negmerge(recipe, scale=0.7)
    model, tuned = method.unlearn(original, task, make_run()), []
    for number, epochs in enumerate(method.epochs):
        batches = replace(run.batches(task.forget, recipe), purpose=f"batches/negmerge/{number}")
        tuned.append(method.tuned(original, batches, epochs, run))
    for name, weight in original.named_parameters():
        moves = [(t.get_parameter(name) - weight).flatten().tolist() for t in tuned]
        for entry, (own, *parts) in enumerate(zip(weight.flatten().tolist(), *moves, strict=True)):
            same = all(p > 0 for p in parts) or all(p < 0 for p in parts)
            expected = own - 0.7 * sum(parts) / 3 if same else own
            assert model.get_parameter(name).flatten()[entry].item() == pytest.approx(expected, abs=1e-5)
    assert torch.equal(model.encoder[1].running_mean, original.encoder[1].running_mean)


def test_a_model_that_is_not_tuned_is_refused_for_it_agrees_with_none():
    with pytest.raises(ConfigError, match=r"method\.epochs.*greater than 0"):
        check(composed("method=negmerge")["method"] | {"epochs": [0, 3]}, "method")


def test_nothing_is_subtracted_at_scale_0(original, toy_tasks, make_run, make_recipe, same_weights):
    assert same_weights(negmerge(make_recipe(), scale=0.0).unlearn(original, toy_tasks["class"], make_run()), original)


def test_a_class_is_forgotten(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    recipe = make_recipe(lr=0.05, batch_size=16, weight_decay=0.0)
    model = negmerge(recipe, epochs=(3, 5, 7), scale=3.0).unlearn(original, task, make_run())
    assert accuracy(model, task.forget, hardware) < 0.5
    assert accuracy(model, task.retain, hardware) > 0.8
