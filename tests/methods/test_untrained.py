import torch

from cu.engine.predict import accuracy
from cu.methods.untrained import Untrained


def test_it_knows_nothing_of_what_the_original_knew(original, toy_tasks, make_run, hardware):
    task = toy_tasks["class"]
    models = [Untrained().unlearn(original, task, make_run(seed=seed)) for seed in range(20)]
    assert accuracy(original, task.retain, hardware) > 0.9
    guesses = [accuracy(model, task.retain, hardware) for model in models]
    assert sum(guesses) / len(guesses) < 0.5


def test_its_weights_are_those_of_a_new_model_and_not_the_originals_start(original, toy_tasks, make_run):
    run = make_run(seed=3)
    found = Untrained().unlearn(original, toy_tasks["class"], run)
    assert not found.training
    start = run.new_model()
    assert not any(
        torch.equal(a, b)
        for a, b in zip(found.parameters(), start.parameters(), strict=True)
        if a.dim() > 1  # biases and scales start at 0 and 1 in all models
    )
