from dataclasses import replace

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import build
from cu.config.component import Component
from cu.config.folder import config_folder
from cu.data.batches.shuffled import Batch
from cu.data.batches.tagged import Tagged
from cu.engine.freezing import frozen_teacher
from cu.engine.predict import accuracy
from cu.errors import ConfigError
from cu.methods.finetune import FineTune
from cu.methods.scrub import MaxThenMin, Scrub, closest, held_out_like_forget


def make_method(recipe, **settings):
    plain = {"max_epochs": 2, "forget_batch_size": 16, "temperature": 4.0, "retain_weight": 1.0}
    return Scrub(recipe=recipe, **{**plain, "distillation_weight": 0.5, "rewind": False, **settings})


def travelled(model, original):
    return max((a - b).abs().max().item() for a, b in zip(model.parameters(), original.parameters(), strict=True))


def whole(split):
    return Batch(split.eval_view(torch.arange(len(split))), split.labels, {split.name: len(split)})


def test_without_max_passes_and_distillation_it_is_fine_tuning(
    original, toy_tasks, make_run, make_recipe, same_weights
):
    recipe, task = make_recipe(augment=True), toy_tasks["class"]
    method = make_method(recipe, max_epochs=0, distillation_weight=0.0)
    expected = FineTune(recipe=recipe).unlearn(original, task, make_run())
    assert same_weights(method.unlearn(original, task, make_run()), expected)


def test_the_first_max_batch_has_no_gradient_in_evaluation_mode(original, toy_tasks, make_recipe):
    teacher, batch = frozen_teacher(original), Tagged(whole(toy_tasks["class"].forget), "max")
    method, weights = make_method(make_recipe()), list(original.parameters())
    loss = method.loss(teacher, original, batch)
    still = torch.autograd.grad(loss, weights)
    moving = torch.autograd.grad(method.loss(teacher, original.train(), batch), weights)
    assert torch.cat([g.flatten() for g in still]).norm() < 1e-5
    assert torch.cat([g.flatten() for g in moving]).norm() > 1e-3


@pytest.mark.parametrize(("batchnorm", "moves"), [("frozen", False), ("train", True)])
def test_it_stalls_at_the_start_unless_batch_statistics_move(
    original, toy_tasks, make_run, make_recipe, batchnorm, moves
):
    recipe = make_recipe(epochs=1, weight_decay=0.0, batchnorm=batchnorm)
    method = make_method(recipe, max_epochs=1, retain_weight=0.0, distillation_weight=0.0)
    model = method.unlearn(original, toy_tasks["class"], make_run())
    assert (travelled(model, original) > 1e-4) == moves


@pytest.mark.parametrize(("batchnorm", "dropout", "said"), [("train", 0.0, 0), ("frozen", 0.0, 1), ("frozen", 0.1, 0)])
def test_a_first_max_pass_that_stands_still_is_said_beforehand(
    make_model, toy_tasks, make_recipe, caplog, batchnorm, dropout, said
):
    method = make_method(make_recipe(batchnorm=batchnorm))
    method.check(make_model(dropout=dropout), toy_tasks["class"])
    assert len([r for r in caplog.records if "first max pass stands still" in r.getMessage()]) == said


def test_the_losses_of_both_passes(original, toy_tasks, make_recipe, make_run):
    teacher, batch = frozen_teacher(original), whole(toy_tasks["class"].retain)
    student = make_run().new_model().eval()
    method = make_method(make_recipe(), temperature=2.0, retain_weight=0.7, distillation_weight=0.3)
    wanted, found = (model(batch.images).logits.double() for model in (teacher, student))
    p, q = (wanted / 2).softmax(1), (found / 2).softmax(1)
    distance = 4 * (p * (p / q).log()).sum(1).mean()
    error = -found.log_softmax(1)[torch.arange(len(batch.labels)), batch.labels].mean()
    assert method.loss(teacher, student, Tagged(batch, "max")).item() == pytest.approx(-distance.item(), rel=1e-4)
    loss = method.loss(teacher, student, Tagged(batch, "min"))
    assert loss.item() == pytest.approx((0.7 * error + 0.3 * distance).item(), rel=1e-4)


def test_max_passes_come_first_and_end(toy_tasks, make_run, make_recipe):
    task, run, recipe = toy_tasks["class"], make_run(), make_recipe(batch_size=30)
    forget, retain = run.batches(task.forget, recipe, 16), run.batches(task.retain, recipe)
    stream = MaxThenMin(forget, retain, 2, 4)
    for epoch in range(4):
        parts = [item.tag for item in stream.epoch(epoch)]
        assert parts == ["max"] * len(forget) * (epoch < 2) + ["min"] * len(retain)
        assert len(parts) == stream.length(epoch)
    assert len(stream) == -(-(2 * len(forget) + 4 * len(retain)) // 4)
    assert all(item.counts.keys() == {"forget" if item.tag == "max" else "retain"} for item in stream.epoch(0))


def test_the_published_learning_rate_falls_after_three_whole_epochs(original, toy_tasks, make_run, monkeypatch):
    """Epochs with a max pass are longer than those without: by an average, it would fall within the third."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        words = ["settings=published", "dataset=cifar10", "scenario=sample", "method=scrub"]
        node = OmegaConf.to_container(compose("unlearn", words), resolve=True)["method"]
    method, rates, real = build(Component(node)), [], torch.optim.SGD.step

    def noting(optimizer, *rest, **more):
        rates.append(optimizer.param_groups[0]["lr"])
        return real(optimizer, *rest, **more)

    monkeypatch.setattr(torch.optim.SGD, "step", noting)
    task = toy_tasks["class"]
    method.unlearn(original, task, make_run())
    max_steps, min_steps = -(-len(task.forget) // 16), -(-len(task.retain) // 32)
    assert rates == pytest.approx([5e-4] * 3 * (max_steps + min_steps) + [5e-5] * 2 * min_steps)
    assert (method.recipe.epochs, method.max_epochs, method.retain_weight, method.distillation_weight) == (5, 3, 1, 0.5)


def test_the_account(original, toy_tasks, make_run, make_recipe):
    task, run = toy_tasks["class"], make_run()
    make_method(make_recipe(epochs=3)).unlearn(original, task, run)
    assert run.ledger.samples == {"forget": 2 * len(task.forget), "retain": 3 * len(task.retain)}


@pytest.mark.parametrize(
    ("errors", "reference", "expected"),
    [([0.0, 0.5, 0.9], 0.6, 1), ([0.0, 0.5, 0.9], 1.0, 2), ([0.25, 0.75], 0.5, 0), ([0.4], 1.0, 0)],
)
def test_rewinding_takes_the_closest_error(errors, reference, expected):
    assert closest(errors, reference) == expected


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_rewinding_returns_an_epoch_of_the_same_training(
    original, toy_tasks, make_run, make_recipe, same_weights, hardware, scenario
):
    task = toy_tasks[scenario]
    recipe = make_recipe(epochs=4, lr=0.02, batch_size=16)

    def student(epochs, **settings):
        method = make_method(replace(recipe, epochs=epochs), max_epochs=3, forget_batch_size=8, **settings)
        return method.unlearn(original, task, make_run())

    students = [student(epochs) for epochs in range(5)]
    errors = [1 - accuracy(model, task.forget, hardware) for model in students[1:]]
    held_out = task.val if scenario == "sample" else task.of_forget_classes(task.val)
    wanted = 1 - accuracy(students[-1], held_out, hardware)
    gaps = [abs(error - wanted) for error in errors]
    assert same_weights(student(4, rewind=True), students[1 + gaps.index(min(gaps))])


@pytest.mark.parametrize("kind", ["indices", "class"])
def test_whatever_the_scenario_is_called_the_same_samples_are_compared_with_the_same(
    original, toy_tasks, make_run, make_recipe, same_weights, kind
):
    """The ids of a class, forgotten as a class and as a list of ids."""
    task, log = toy_tasks["class"], []
    if kind == "indices":
        task = replace(task, scenario="sample", forget_classes=(), test_forget=task.test.subset(torch.arange(0)))
    assert set(held_out_like_forget(task).labels.tolist()) == {2}
    run = make_run(log=lambda values, step: log.append(values))
    recipe = make_recipe(epochs=4, lr=0.02, batch_size=16)
    method = make_method(recipe, max_epochs=3, forget_batch_size=8, rewind=True)
    model = method.unlearn(original, task, run)
    assert same_weights(model, method.unlearn(original, toy_tasks["class"], make_run()))
    assert sum("scrub/epoch" in values for values in log) == 1


def test_rewinding_never_goes_back_to_the_original(original, toy_tasks, make_run, make_recipe):
    """The original, which misses all samples under wrong labels, may come closest."""
    log, task = [], toy_tasks["sample"]
    swapped = replace(task, forget=task.forget.relabelled((task.forget.labels + 1) % 4))
    run = make_run(log=lambda values, step: log.append(values))
    model = make_method(make_recipe(lr=1e-3, epochs=3), rewind=True).unlearn(original, swapped, run)
    assert travelled(model, original) > 0
    assert [values["scrub/epoch"] for values in log if "scrub/epoch" in values] == [1]


def test_rewinding_needs_validation_samples(original, toy_tasks, make_run, make_recipe):
    task = toy_tasks["class"]
    task = replace(task, val=task.val.subset(task.val.labels != 2))
    with pytest.raises(ConfigError, match=r"method\.rewind=true finds no val samples"):
        make_method(make_recipe(), rewind=True).unlearn(original, task, make_run())
