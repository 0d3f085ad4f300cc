import logging
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from cu.engine.predict import predict
from cu.seeds import member_seed
from cu.store.models import write_model


@pytest.fixture
def same_values():
    """Whether two models have bitwise equal weights."""
    return lambda a, b: all(torch.equal(a[name], b[name]) for name in a)


def test_original_zero_is_the_runs_own_and_the_others_belong_to_no_other_run(make_scene):
    context, other = make_scene(), make_scene(seed=2)
    assert context.original_of(0) is context.original
    assert context.original_of(2).folder == context.original_of(2).folder
    assert len({c.original_of(n).folder for c in (context, other) for n in range(3)}) == 6


def test_further_originals_of_a_users_own_weights_are_trained_by_the_recipe(make_scene):
    context = make_scene()
    expected = context.original_of(2).folder
    context.workspace.original_identity["checkpoint"] = "hash"
    assert context.original_of(2).folder == expected


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
    write_model(context.plan.folder.path, saved, {})
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


def test_runs_of_different_seeds_share_no_reference(make_scene):
    scenes = [make_scene(seed=seed, references=3) for seed in (0, 1, 2)]
    assert len({reference.folder for scene in scenes for reference in scene.references}) == 9


def test_a_method_that_retrains_makes_a_model_of_its_own_for_every_number(make_scene, same_values):
    context = make_scene(method="retrain", references=2)
    made = [context.forgetting(context.original_of(number), context.task, number) for number in (0, 1)]
    known = [context.trained(context.task.retain, number) for number in (0, 1)]
    models = [stored.weights for stored in (*made, *known)]
    assert not any(same_values(a, b) for a, b in combinations(models, 2))
    seed = member_seed(context.method_seed, "retrain", 0)
    assert same_values(made[0].weights, context.workspace.retrained(context.task.retain, seed).weights)


def test_logits_are_computed_once(make_scene, unchanged):
    context = make_scene()
    first = context.logits(context.original, context.task.forget)
    assert first.shape == (len(context.task.forget), 4)
    with unchanged(context.original.folder):
        assert np.array_equal(context.logits(context.original, context.task.forget), first)


def test_logits_of_images_that_are_numbered_alike_are_those_of_each(make_scene):
    """As in a folder with as many images in `val` as in `test`: each counts its own from 0."""
    context = make_scene()
    ids = torch.arange(20)
    splits = [replace(context.task.forget.subset(ids), ids=ids)]
    for own in (context.task.val.subset(ids), context.task.test.subset(ids)):
        splits.append(replace(own, images=own.images.clone(), ids=ids))
    for split in splits:
        expected = predict(context.load(context.original), split, context.workspace.hardware).logits.numpy()
        assert np.array_equal(context.logits(context.original, split), expected)
