import pytest
import torch
from torch import nn

from cu.engine.fit import cross_entropy, fit
from cu.engine.freezing import (
    freeze_all_but,
    frozen_norms,
    frozen_teacher,
    last_layers,
    reset,
    thaw_as,
    weighted_layers,
)
from cu.models.resnet import ResNet

# The toy network from the output: three linear layers of the head, batch normalisation (1) after the convolution (0).
HEAD = ["head.classifier", "head.projector.2", "head.projector.0"]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, HEAD[:1]),
        (2, HEAD[:2]),
        (3, HEAD),
        (4, [*HEAD, "encoder.1", "encoder.0"]),
        (9, [*HEAD, "encoder.1", "encoder.0"]),
    ],
)
def test_layers_are_counted_from_the_output(original, count, expected):
    assert last_layers(original, count) == expected


@pytest.mark.parametrize(("head", "count"), [("projection", 8), ("linear", 6)])
def test_the_last_stage_of_resnet18_and_its_head(head, count):
    model = ResNet(depth=18, width=2, head=head, dim=4).build(3, (1, 8, 8))
    parts = {".".join(path.split(".")[:2]) for path in last_layers(model, count)}
    assert {part for part in parts if not part.startswith("head")} == {"encoder.stage4"}
    trained = {
        name for path in last_layers(model, count) for name, _ in model.get_submodule(path).named_parameters(path)
    }
    assert trained == {name for name, _ in model.named_parameters() if name.startswith(("encoder.stage4", "head"))}


def test_only_named_modules_train(original):
    freeze_all_but(original, HEAD[:2])
    trained = {name for name, weight in original.named_parameters() if weight.requires_grad}
    assert trained == {f"{path}.{kind}" for path in HEAD[:2] for kind in ("weight", "bias")}


def test_what_its_owner_froze_is_neither_woken_nor_forgotten(original, make_model):
    original.head.classifier.bias.requires_grad_(False)
    known = {name: weight.requires_grad for name, weight in original.named_parameters()}
    student = frozen_teacher(original)
    assert not any(weight.requires_grad for weight in student.parameters())
    assert {name: weight.requires_grad for name, weight in thaw_as(student, original).named_parameters()} == known
    freeze_all_but(original, last_layers(original, 9))
    assert {name: weight.requires_grad for name, weight in original.named_parameters()} == known


def test_reset_copies_weights_and_statistics_of_the_named_modules_only(original, make_run):
    fresh, known = make_run().new_model(), {name: value.clone() for name, value in original.state_dict().items()}
    reset(original, fresh, ["encoder.1", "head.classifier"])
    for name, value in original.state_dict().items():
        source = fresh.state_dict() if name.startswith(("encoder.1.", "head.classifier")) else known
        assert torch.equal(value, source[name]), name


def test_norms_without_parameters_follow_the_layer_before_them():
    def block(affine):
        return [nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, affine=affine)]

    model = nn.Sequential(*block(True), *block(False), *block(True), *block(False))
    assert list(frozen_norms(model)) == []
    freeze_all_but(model, ["4", "5", "6"])
    assert list(frozen_norms(model)) == [model[1], model[3]]


def test_training_leaves_a_frozen_prefix_bit_identical(original, toy_tasks, make_run, make_recipe):
    freeze_all_but(original, HEAD)
    known = {name: value.clone() for name, value in original.state_dict().items()}
    recipe, run = make_recipe(weight_decay=0.1), make_run()
    student = fit(original, run.batches(toy_tasks["class"].retain, recipe), cross_entropy, recipe, run)
    moved = {name for name, value in student.state_dict().items() if not torch.equal(value, known[name])}
    assert moved == {f"{path}.{kind}" for path in HEAD for kind in ("weight", "bias")}


def test_a_trajectory_goes_on_over_several_trainings(original, toy_tasks, make_run, make_recipe):
    steps = []
    recipe, run = make_recipe(epochs=2), make_run(log=lambda values, step: steps.append(step))
    batches = run.batches(toy_tasks["class"].forget, recipe)
    for _ in range(2):
        fit(original, batches, cross_entropy, recipe, run)
    assert steps == [len(batches) * epochs for epochs in (1, 2, 3, 4)]


def test_weighted_layers_run_from_input_to_output(original):
    assert weighted_layers(original) == [original.encoder[0], *(original.get_submodule(path) for path in HEAD[::-1])]
