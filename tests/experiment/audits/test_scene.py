import logging

import numpy as np
import torch

from cu.store.models import save_weights


def test_original_zero_is_the_runs_own_and_the_others_are_those_of_runs_with_their_seeds(make_scene):
    context = make_scene()
    assert context.original_of(0) is context.original
    assert context.original_of(2).folder == make_scene(seed=2).original.folder


def test_further_originals_of_a_users_own_weights_are_trained_by_the_recipe(make_scene):
    context = make_scene()
    context.workspace.original_identity["checkpoint"] = "hash"
    assert context.original_of(2).folder == make_scene(seed=2).original.folder


def test_retrained_models_are_the_references(make_scene):
    context = make_scene(references=2)
    for number, reference in enumerate(context.references):
        assert context.trained(context.task.retain, number).folder == reference.folder


def test_the_outcome_of_the_run_is_taken_as_it_is(make_scene, make_bench, audit_store, tmp_path):
    outcome = make_bench(seed=77).context(77).new_model().eval()
    stored = make_scene(outcome=outcome, method_seed=900).unlearned()
    assert all(torch.equal(stored.weights[name], value) for name, value in outcome.state_dict().items())


def test_a_saved_outcome_is_loaded(make_scene, make_bench, caplog):
    context = make_scene(method_seed=901)
    saved = context.workspace.context(78).new_model()
    save_weights(context.plan.folder.path / "model.safetensors", saved)
    with caplog.at_level(logging.INFO, logger="cu"):
        stored = context.unlearned()
    assert all(torch.equal(stored.weights[name], value) for name, value in saved.state_dict().items())
    assert "runs again" not in caplog.text


def test_an_outcome_that_was_not_kept_is_made_again_once_and_the_same(make_scene, caplog):
    context = make_scene(method_seed=902)
    with caplog.at_level(logging.INFO, logger="cu"):
        stored = context.unlearned()
        again = context.unlearned()
    assert caplog.text.count("runs again") == 1
    assert again.folder == stored.folder
    run = context.workspace.context(902)
    expected = context.method.unlearn(context.workspace.load(context.original), context.task, run)
    assert all(torch.equal(stored.weights[name], value) for name, value in expected.state_dict().items())


def test_a_method_that_retrains_uses_the_seed_of_its_number(make_scene):
    context = make_scene(method="retrain")
    for number in (0, 3):
        made = context.forgetting(context.original_of(number), context.task, number)
        expected = context.trained(context.task.retain, number)
        assert all(torch.equal(made.weights[name], value) for name, value in expected.weights.items())


def test_logits_are_computed_once(make_scene, unchanged):
    context = make_scene()
    first = context.logits(context.original, context.task.forget)
    assert first.shape == (len(context.task.forget), 4)
    with unchanged(context.original.folder):
        assert np.array_equal(context.logits(context.original, context.task.forget), first)
