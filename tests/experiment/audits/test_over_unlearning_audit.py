import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cu.experiment.audits.over_unlearning import OverUnlearningAudit, neighbour
from cu.metrics.distribution.over_unlearning import EPSILON


def audit(**settings):
    return OverUnlearningAudit(**{"steps": 3, "step_size": 0.01, "move": "towards", "max_samples": 1000, **settings})


def moved(context, **settings):
    split, source = context.task.forget, torch.Generator().manual_seed(0)
    model = context.workspace.load(context.original)
    return model, audit(**settings).perturbed(model, split, source, context.workspace.hardware), split


def test_the_neighbour_is_the_likeliest_wrong_class():
    logits = torch.tensor([[1.0, 5, 3], [7, 2, 4], [0, 1, 2]])
    assert neighbour(logits, torch.tensor([1, 0, 1])).tolist() == [2, 2, 2]


def test_the_descent_raises_the_neighbours_probability_and_the_released_step_lowers_it(make_scene):
    context = make_scene("class")
    gains = {}
    for move in ("towards", "away"):
        model, images, split = moved(context, move=move, step_size=0.02)
        plain = model(split.eval_view(torch.arange(len(split)))).logits
        target = neighbour(plain, split.labels)
        gains[move] = (F.cross_entropy(plain, target) - F.cross_entropy(model(images).logits, target)).item()
    assert gains["towards"] > 0 > gains["away"]


def test_images_stay_in_the_ball_and_in_the_range_of_pixels(make_scene):
    _, images, split = moved(make_scene("class"), steps=6, step_size=0.02)
    (mean,), (std,) = split.transform.mean, split.transform.std
    pixels, before = images * std + mean, split.images[split.rows].float() / 255
    assert (pixels - before).abs().max().item() == pytest.approx(EPSILON, abs=1e-5)
    assert pixels.min() >= -1e-6
    assert pixels.max() <= 1 + 1e-6


def test_all_models_see_the_same_images_every_time(make_scene):
    context = make_scene("class", method="original", references=2)
    found, again = audit().examine(context), audit().examine(context)
    assert np.array_equal(found.judged.judged, again.judged.judged)
    assert np.array_equal(found.judged.judged, found.original.judged)
    assert np.array_equal(found.original.judged, found.original.original)
    assert len(found.references) == 2
    assert not np.array_equal(found.references[0].judged, found.references[1].judged)


def test_models_are_left_as_they_were(make_scene):
    context = make_scene("class")
    model, _, _ = moved(context)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, context.original.weights[name]) for name, value in model.state_dict().items())


def test_at_most_so_many_samples(make_scene):
    assert audit(max_samples=5).examine(make_scene("class")).judged.judged.shape == (5, 4)
