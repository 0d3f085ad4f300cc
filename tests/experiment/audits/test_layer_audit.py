import numpy as np
import pytest
import torch
from torch import nn

from cu.evaluation.facing import facing
from cu.experiment.audits.layers import LayerAudit, blocks, small
from cu.metrics.case import Case
from cu.metrics.findings import Findings
from cu.metrics.representation.layer_similarity import layers_to_original, layers_to_retrained
from cu.metrics.representation.similarity import linear_cka
from cu.models.heads import LinearHead
from cu.models.resnet import ResNet
from cu.models.types import Classifier
from cu.models.vgg import VGG


def case_of(layers, retrained=()):
    return Case(None, retrained, None, "class", (2,), 4, findings=Findings.of(layers))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (ResNet(depth=18, width=2, head="linear", dim=4), ("stem", "stage1", "stage2", "stage3", "stage4")),
        (VGG(depth=11, width=2, head="linear", dim=4), ("stage1", "stage2", "stage3", "stage4", "stage5")),
    ],
)
def test_blocks_are_what_stages_return_and_last_what_enters_the_head(spec, names, toy_data, hardware):
    shape = tuple(toy_data.test.images.shape[1:])
    model = spec.build(4, shape).eval()
    found = blocks(model, toy_data.test, hardware)
    with torch.no_grad():
        x = toy_data.test.eval_view(torch.arange(len(toy_data.test)))
        for name, values in zip(names, found, strict=True):
            x = model.encoder.get_submodule(name)(x)
            expected = x if name != names[-1] else model(toy_data.test.eval_view(torch.arange(len(x)))).encoded
            np.testing.assert_allclose(values, expected.flatten(1).numpy(), rtol=1e-4, atol=1e-5)
    assert not any(module._forward_hooks for module in model.modules()), "hooks stay behind"


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_any_number_of_blocks_is_seen_from_first_to_last(count, toy_data, hardware):
    width = toy_data.test.images[0].numel()
    layers = [nn.Flatten(), *(nn.Linear(width, width) for _ in range(count))]
    model = Classifier(nn.Sequential(*layers), LinearHead(width, 4))
    found = blocks(model, toy_data.test, hardware)
    assert len(found) == 5
    with torch.no_grad():
        last = model.encoder(toy_data.test.eval_view(torch.arange(len(toy_data.test))))
    np.testing.assert_allclose(found[-1], last.numpy(), rtol=1e-4, atol=1e-5)


def test_a_smaller_matrix_has_the_same_inner_products_and_the_same_similarity():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 300)), rng.normal(size=(12, 70))
    y[:, :12] += x[:, :12]
    assert small(x).shape == (12, 12)
    np.testing.assert_allclose(small(x) @ small(x).T, x @ x.T, atol=1e-9)
    assert linear_cka(small(x), small(y)) == pytest.approx(linear_cka(x, y), abs=1e-9)
    assert small(y[:, :5]) is not None
    assert small(y[:, :5]).shape == (12, 5)


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_all_models_see_the_same_images_and_the_original_is_where_it_was(make_scene, scenario):
    context, audit = make_scene(scenario, "original", references=2), LayerAudit(max_samples=15)
    images = audit.images(context)
    forget, retain = context.task.forget.ids.tolist(), context.task.retain.ids.tolist()
    ids = images["forget"].ids.tolist()
    assert [i in forget for i in ids] == [True] * 15 + [False] * 15
    assert set(ids[15:]) <= set(retain)
    assert not set(images["retain"].ids.tolist()) & set(context.task.test_forget.ids.tolist())
    found = audit.examine(context)
    # `original` does nothing: all its blocks are the original's.
    same = layers_to_original(case_of(found.judged))
    assert same == pytest.approx(dict.fromkeys(layers_to_original.spec.keys, 1.0), abs=1e-6)
    assert layers_to_original(case_of(found.original)) == pytest.approx(same)


def test_a_retrained_model_is_set_against_the_others(make_scene):
    found = LayerAudit(max_samples=20).examine(make_scene("class", references=3))
    values = layers_to_retrained(facing(case_of(found.references[1], (None,) * 3), [0, 2]))
    expected = [
        np.mean(
            [linear_cka(found.judged.retrained[1][images][d], found.judged.retrained[k][images][d]) for k in (0, 2)]
        )
        for images in ("forget", "retain")
        for d in range(5)
    ]
    assert list(values.values()) == pytest.approx(expected)
    assert all(value <= 1 for value in values.values())
