import numpy as np
import pytest
import torch

from cu.engine.predict import predict
from cu.experiment.audits.relearning import drawn
from cu.experiment.audits.weights import WeightAudit, between
from cu.metrics import primitives
from cu.metrics.weights.connectivity import loss_barrier
from cu.seeds import generator

AUDIT = WeightAudit(points=5, max_samples=60)


def test_doing_nothing_stays_where_the_original_is(make_scene):
    found = AUDIT.examine(make_scene(method="original", references=2))
    assert found.judged.to_original.l2 == 0
    assert loss_barrier(found.judged.to_original.losses) == pytest.approx(0, abs=1e-6)
    assert len(found.judged.to_retrained) == 2
    for number, reference in enumerate(found.references):
        known = [np.isfinite(line.l2) for line in reference.to_retrained]
        assert known == [other != number for other in range(2)], "a model does not face itself"


def test_distance_and_ends_are_those_of_the_two_models(make_scene):
    context = make_scene(references=1)
    found = AUDIT.examine(context).references[0].to_original
    first, second = (context.workspace.load(stored) for stored in (context.references[0], context.original))
    squares = [(a - b).square().sum() for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert found.l2 == pytest.approx(torch.stack(squares).sum().sqrt().item(), rel=1e-5)
    split = drawn(context.task.retain, 60, generator(context.forget_seed, "weights/samples"))
    assert found.losses.shape == (5,)
    if not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in first.modules()):
        logits = predict(second, split, context.workspace.hardware).logits.numpy()
        assert found.losses[-1] == pytest.approx(primitives.loss(logits, split.labels.numpy()).mean(), rel=1e-4)


def test_a_line_is_the_same_in_both_directions(make_scene):
    context = make_scene(references=2)
    split = drawn(context.task.retain, 60, generator(0, "x"))
    there = AUDIT.segment(context, *context.references, split)
    back = AUDIT.segment(context, *reversed(context.references), split)
    assert there.l2 == pytest.approx(back.l2)
    assert np.allclose(there.losses, back.losses[::-1], rtol=1e-4)


def test_points_on_the_way():
    first, second = (
        {"w": torch.tensor([0.0, 2]), "n": torch.tensor(3)},
        {"w": torch.tensor([4.0, 2]), "n": torch.tensor(9)},
    )
    found = between(first, second, 0.25)
    assert found["w"].tolist() == [1, 2]
    assert found["n"] == 3
