import logging

import numpy as np
import torch

from cu.store.models import save_weights


def test_original_zero_is_the_runs_own_and_the_others_are_those_of_runs_with_their_seeds(make_scene):
    scene = make_scene()
    assert scene.original_of(0) is scene.original
    assert scene.original_of(2).folder == make_scene(seed=2).original.folder


def test_further_originals_of_a_users_own_weights_are_trained_by_the_recipe(make_scene):
    scene = make_scene()
    scene.bench.plan.original["checkpoint"] = "hash"
    assert scene.original_of(2).folder == make_scene(seed=2).original.folder


def test_retrained_models_are_the_references(make_scene):
    scene = make_scene(references=2)
    for number, reference in enumerate(scene.references):
        assert scene.trained(scene.task.retain, number).folder == reference.folder


def test_the_outcome_of_the_run_is_taken_as_it_is(make_scene, make_bench, audit_store, tmp_path):
    outcome = make_bench(seed=77).run(77).new_model().eval()
    stored = make_scene(outcome=outcome, method_seed=900).unlearned()
    assert all(torch.equal(stored.weights[name], value) for name, value in outcome.state_dict().items())


def test_a_saved_outcome_is_loaded(make_scene, make_bench, caplog):
    scene = make_scene(method_seed=901)
    saved = scene.bench.run(78).new_model()
    save_weights(scene.bench.plan.folder.path / "model.safetensors", saved)
    with caplog.at_level(logging.INFO, logger="cu"):
        stored = scene.unlearned()
    assert all(torch.equal(stored.weights[name], value) for name, value in saved.state_dict().items())
    assert "runs again" not in caplog.text


def test_an_outcome_that_was_not_kept_is_made_again_once_and_the_same(make_scene, caplog):
    scene = make_scene(method_seed=902)
    with caplog.at_level(logging.INFO, logger="cu"):
        stored = scene.unlearned()
        again = scene.unlearned()
    assert caplog.text.count("runs again") == 1
    assert again.folder == stored.folder
    run = scene.bench.run(902)
    expected = scene.method.unlearn(scene.bench.load(scene.original), scene.task, run)
    assert all(torch.equal(stored.weights[name], value) for name, value in expected.state_dict().items())


def test_a_method_that_retrains_uses_the_seed_of_its_number(make_scene):
    scene = make_scene(method="retrain")
    for number in (0, 3):
        made = scene.forgetting(scene.original_of(number), scene.task, number)
        expected = scene.trained(scene.task.retain, number)
        assert all(torch.equal(made.weights[name], value) for name, value in expected.weights.items())


def test_logits_are_computed_once(make_scene, monkeypatch):
    scene = make_scene()
    first = scene.logits(scene.original, scene.task.forget)
    assert first.shape == (len(scene.task.forget), 4)
    monkeypatch.setattr("cu.audits.scene.predict", None)
    assert np.array_equal(scene.logits(scene.original, scene.task.forget), first)
