from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from cu.data.scenarios.classes import ClassScenario
from cu.data.task import make_task
from cu.engine.predict import accuracy
from cu.engine.recipe import AdamW
from cu.methods import unsir
from cu.methods.finetune import FineTune
from cu.methods.types import scenarios_of
from cu.methods.unsir import Unsir, some_of_each_class


def make_method(recipe, **settings):
    plain = {"noise_size": 16, "noise_per_retain": 0.5, "noise_steps": 40, "noise_lr": 0.1, "noise_penalty": 0.1}
    plain |= {"impair": recipe, "repair": recipe, "retain_per_class": 20, "noise_labels": "own"}
    return Unsir(**{**plain, **settings})


@pytest.mark.parametrize("training", [False, True])
def test_learning_noise_changes_nothing_of_the_model(
    original, toy_tasks, make_run, make_recipe, same_weights, training
):
    original.train(training)
    copy = deepcopy(original)
    noise, _ = make_method(make_recipe()).noise(original, toy_tasks["class"], make_run())
    assert same_weights(original, copy)
    assert all(weight.grad is None for weight in original.parameters())
    assert all(layer.training is training for layer in original.modules())
    assert not noise.requires_grad


def test_noise_is_far_from_its_class(original, toy_tasks, make_run, make_recipe):
    def error(steps, penalty=0.1):
        method = make_method(make_recipe(), noise_steps=steps, noise_penalty=penalty)
        noise, labels = method.noise(original, toy_tasks["class"], make_run())
        with torch.no_grad():
            return F.cross_entropy(original(noise).logits, labels).item(), noise.square().flatten(1).sum(
                1
            ).mean().item()

    (start, size), (end, small), (free, large) = error(0), error(40), error(40, penalty=0.0)
    assert end > start
    assert free > start + 1
    assert small < size
    assert small < large


def test_noise_starts_normal_and_belongs_to_each_class(original, toy_data, make_run, make_recipe):
    task = make_task(toy_data, ClassScenario(classes=[3, 1]), torch.Generator())
    method = make_method(make_recipe(), noise_steps=0, noise_size=200)
    noise, labels = method.noise(original, task, make_run())
    assert noise.shape == (400, 1, 6, 6)
    assert labels.bincount(minlength=4).tolist() == [0, 200, 0, 200]
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert noise.std().item() == pytest.approx(1, abs=0.05)


def test_noise_images_are_learned_for_their_own_class(original, toy_data, make_run, make_recipe):
    both = make_task(toy_data, ClassScenario(classes=[1, 3]), torch.Generator())
    noise, labels = make_method(make_recipe(), noise_penalty=0.0).noise(original, both, make_run())
    with torch.no_grad():
        chances = original(noise).logits.softmax(1)
    assert chances[torch.arange(len(labels)), labels].max() < 0.05


def test_impairing_forgets_and_repairing_brings_the_rest_back(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    adam = AdamW(lr=0.05, betas=(0.9, 0.999), weight_decay=0.0)
    impair, repair = make_recipe(optimizer=adam, epochs=8), make_recipe(epochs=3)
    impaired, repaired = (
        make_method(impair, retain_per_class=100, repair=replace(repair, epochs=epochs)).unlearn(
            original, task, make_run()
        )
        for epochs in (0, 3)
    )
    assert accuracy(original, task.forget, hardware) > 0.9
    assert accuracy(impaired, task.forget, hardware) < 0.3
    assert accuracy(repaired, task.forget, hardware) < 0.3
    assert accuracy(repaired, task.retain, hardware) > 0.8


def test_repair_is_fine_tuning_on_what_was_drawn(original, toy_tasks, make_run, make_recipe, same_weights):
    task, recipe = toy_tasks["class"], make_recipe(augment=True)
    method = make_method(replace(recipe, epochs=0), repair=recipe, retain_per_class=10)
    drawn = some_of_each_class(task.retain, 10, make_run().generator("unsir/retain"))
    expected = FineTune(recipe=recipe).unlearn(original, replace(task, retain=drawn), make_run())
    assert same_weights(method.unlearn(original, task, make_run()), expected)


def test_the_account_knows_noise_from_forgotten_samples(original, toy_tasks, make_run, make_recipe):
    run = make_run()
    with run.ledger.running():
        make_method(make_recipe()).unlearn(original, toy_tasks["class"], run)
    cost = run.ledger.cost()
    assert cost["samples_seen_forget"] == 0
    assert cost["samples_seen_retain"] == 4 * 3 * 20 + 2 * round(0.5 * 3 * 20)
    assert cost["prep_seconds"] > 0


@pytest.mark.parametrize("count", [1, 7, 10_000])
def test_as_many_of_each_class_as_there_are(toy_tasks, count):
    retain = toy_tasks["class"].retain
    chosen = some_of_each_class(retain, count, torch.Generator().manual_seed(0))
    expected = retain.labels.bincount(minlength=4).clamp(max=count)
    assert torch.equal(chosen.labels.bincount(minlength=4), expected)
    assert len(set(chosen.ids.tolist())) == len(chosen)
    assert set(chosen.ids.tolist()) <= set(retain.ids.tolist())


def test_samples_have_no_class_to_make_noise_for():
    assert scenarios_of(Unsir) == ("class",)  # type: ignore[arg-type]


@pytest.mark.parametrize(("labels", "expected"), [("own", {1: 60, 3: 60}), ("first", {0: 120})])
def test_the_released_loop_copies_three_images_of_each_class_and_calls_them_class_0(
    original, toy_data, make_run, make_recipe, monkeypatch, labels, expected
):
    task, streams = make_task(toy_data, ClassScenario(classes=[1, 3]), torch.Generator()), []
    monkeypatch.setattr(unsir, "fit", lambda model, batches, *rest, **more: streams.append(batches) or model)
    kept = int((task.retain.labels == 0).sum() + (task.retain.labels == 2).sum())
    method = make_method(
        make_recipe(), noise_size=3, noise_per_retain=60 / kept, noise_labels=labels, retain_per_class=10_000
    )
    method.unlearn(original, task, make_run())
    noise = streams[0]
    assert {label: int((noise.labels == label).sum()) for label in noise.labels.unique().tolist()} == expected
    assert len(noise.images.flatten(1).unique(dim=0)) == 2 * 3


def test_there_is_always_noise_to_impair_by(original, toy_tasks, make_run, make_recipe):
    run = make_run()
    method = make_method(make_recipe(epochs=1), noise_per_retain=0.0075)
    assert round(0.0075 * 3 * 20) == 0
    with run.ledger.running():
        method.unlearn(original, toy_tasks["class"], run)
    assert run.ledger.samples["noise"] == 1
