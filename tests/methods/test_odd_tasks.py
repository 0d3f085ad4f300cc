"""Odd tasks and networks: every method ends with a whole classifier, or says in one line beforehand what it lacks."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn

from cu.config.folder import config_folder
from cu.data.scenarios.classes import ClassScenario
from cu.data.task import make_task
from cu.engine.ledger import Ledger
from cu.errors import ConfigError
from cu.methods.types import check_task, needs_of, resources, scenarios_of
from cu.models.heads import build_head
from cu.models.types import Classifier
from cu.notebook.unlearning import method_of

NAMES = sorted(path.stem for path in (config_folder() / "method").glob("*.yaml"))


@cache
def configured(name):
    """A method as its YAML describes it."""
    return method_of(name, {})


def kinds(name):
    """The scenarios a method is meant for."""
    return scenarios_of(configured(name))


CELLS = [(name, scenario) for name in NAMES for scenario in kinds(name)]
pytestmark = pytest.mark.slow
every_cell = pytest.mark.parametrize(("name", "scenario"), CELLS)
SMALL = {
    "lcodec": {"perturbations": 20},
    "l2ul": {"copies": 2, "steps": 3},
    "jit": {"copies": 2},
    "unsir": {"noise_size": 8, "noise_steps": 3},
    "influence": {"samples": 8},
    "fisher": {"samples": 8},
}


def quick(name, **recipe):
    """A method with all its recipes cut to one epoch of small batches."""
    return replace(shortened(configured(name), **recipe), **SMALL.get(name, {}))


def shortened(settings, **recipe):
    changes = {}
    for field in settings.__dataclass_fields__:
        part = getattr(settings, field)
        if hasattr(part, "batch_size") and hasattr(part, "optimizer"):
            changes[field] = replace(part, **{"epochs": 1, "batch_size": 16, **recipe})
        elif hasattr(part, "unlearn"):
            changes[field] = shortened(part, **recipe)
    return replace(settings, **changes)


def is_whole(model, images, classes=4):
    with torch.no_grad():
        logits = model(images).logits
    return (
        all(value.isfinite().all() for value in model.state_dict().values())
        and not any(layer.training for layer in model.modules())
        and logits.shape == (len(images), classes)
        and bool(logits.isfinite().all())
    )


def few(task, keep, lose):
    """The first `keep` retain samples and `lose` forget samples."""
    return replace(
        task, retain=task.retain.subset(torch.arange(keep)), forget=task.forget.subset(torch.arange(lose))
    )  # fmt: skip


@every_cell
def test_fewer_are_kept_than_forgotten_and_than_a_batch_has(original, toy_tasks, make_run, toy_data, name, scenario):
    task = few(toy_tasks[scenario], 6, 12 if name != "lcodec" else 2)
    assert task.retain.labels.unique(return_counts=True)[1].max() > 1
    model = quick(name).unlearn(original, task, make_run())
    assert is_whole(model, toy_data.test.eval_view(torch.arange(3)))


@every_cell
def test_a_class_may_have_a_single_sample_left(original, toy_tasks, make_run, toy_data, name, scenario):
    task = few(toy_tasks[scenario], len(toy_tasks[scenario].retain), 2)
    rare = (task.retain.labels == 0).nonzero().flatten()[1:]
    kept = torch.ones(len(task.retain), dtype=torch.bool)
    kept[rare] = False
    task = replace(task, retain=task.retain.subset(kept))
    assert (task.retain.labels == 0).sum() == 1
    model = quick(name).unlearn(original, task, make_run())
    assert is_whole(model, toy_data.test.eval_view(torch.arange(3)))


@pytest.mark.parametrize("name", NAMES)
def test_a_single_sample_may_be_all_that_is_kept(original, toy_tasks, make_run, toy_data, name):
    task, method = few(toy_tasks[kinds(name)[0]], 1, 2), quick(name)
    if name == "scar":
        with pytest.raises(ConfigError, match="finds no wrong class with two retain samples"):
            check_task(method, lambda: original, task)
        return
    check_task(method, lambda: original, task)
    assert is_whole(method.unlearn(original, task, make_run()), toy_data.test.eval_view(torch.arange(3)))


@pytest.mark.parametrize("name", [name for name, scenario in CELLS if scenario == "class"])
def test_all_classes_but_one_may_go(original, toy_data, make_run, name):
    task = make_task(toy_data, ClassScenario(classes=[0, 1, 3]), torch.Generator())
    model = quick(name).unlearn(original, task, make_run())
    assert is_whole(model, toy_data.test.eval_view(torch.arange(3)))


@every_cell
def test_low_precision_ends_in_finite_float32_weights(
    original, toy_tasks, make_run, hardware, toy_data, name, scenario
):
    low = replace(hardware, precision="bf16")
    task = few(toy_tasks[scenario], 40, 2 if name == "lcodec" else 12)
    model = quick(name).unlearn(original, task, make_run(hardware=low, ledger=Ledger(low)))
    assert is_whole(model, toy_data.test.eval_view(torch.arange(3)))
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def plain():
    """Without normalisation, and without dropout."""
    encoder = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    return Classifier(encoder, build_head("linear", 32, 4, 8))


def linear():
    """A single layer."""
    return Classifier(nn.Flatten(), build_head("linear", 36, 4, 8))


@pytest.mark.parametrize("build", [plain, linear])
@pytest.mark.parametrize("name", NAMES)
def test_networks_without_normalisation_and_without_convolutions(toy_tasks, make_run, toy_data, build, name):
    task = few(toy_tasks[kinds(name)[0]], 40, 2 if name == "lcodec" else 12)
    run, method = make_run(build=build), quick(name)
    model = run.new_model().eval()
    if build is linear and name in {"cmf", "cola"}:
        with pytest.raises(ConfigError, match=f"^method={name} moves features, and the network has no weights before"):
            check_task(method, lambda: model, task)
        return
    check_task(method, lambda: model, task)
    assert is_whole(method.unlearn(model, task, run), toy_data.test.eval_view(torch.arange(3)))


def colourful():
    encoder = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
    return Classifier(encoder.append(nn.Flatten()), build_head("projection", 32, 4, 8))


@every_cell
def test_colour_images(toy_tasks, toy_data, make_run, name, scenario):
    transform = replace(toy_data.train.transform, mean=(0.25, 0.3, 0.2), std=(0.25, 0.2, 0.3))

    images = toy_data.train.images.repeat(1, 3, 1, 1)

    def coloured(split):
        return replace(split, images=images, transform=transform)

    task = few(toy_tasks[scenario], 40, 2 if name == "lcodec" else 12)
    parts = {part: coloured(getattr(task, part)) for part in ("retain", "forget", "val", "test", "test_forget")}
    run = make_run(build=colourful)
    model = quick(name).unlearn(run.new_model().eval(), replace(task, **parts), run)
    assert is_whole(model, parts["test"].eval_view(torch.arange(3)))


@every_cell
def test_no_epochs_at_all(original, toy_tasks, make_run, toy_data, name, scenario):
    task = few(toy_tasks[scenario], 40, 2 if name == "lcodec" else 12)
    model = quick(name, epochs=0).unlearn(original, task, make_run())
    assert is_whole(model, toy_data.test.eval_view(torch.arange(3)))


@every_cell
def test_frozen_statistics_stay(original, toy_tasks, make_run, name, scenario):
    if name in {"retrain", "untrained", "statistics_only", "eu_k"}:
        pytest.skip("has no recipe for it, or starts statistics anew")
    task = few(toy_tasks[scenario], 40, 2 if name == "lcodec" else 12)
    model = quick(name, batchnorm="frozen").unlearn(original, task, make_run())
    assert torch.equal(model.encoder[1].running_mean, original.encoder[1].running_mean)


LINEAR = [name for name in NAMES if "a linear last layer" in resources(needs_of(configured(name)))]


class Cosine(nn.Module):
    """A last layer without rows that can be edited."""

    def forward(self, features):
        return features[:, :4]


@pytest.mark.parametrize("name", LINEAR)
def test_a_last_layer_that_is_not_linear_is_refused_beforehand(original, toy_tasks, name):
    original.head.classifier = Cosine()
    with pytest.raises(ConfigError, match=r"^model\.head names a Cosine"):
        check_task(quick(name), lambda: original, toy_tasks[kinds(name)[0]])
