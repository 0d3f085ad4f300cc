from dataclasses import replace

import numpy as np
import torch

from cu.data.scenarios.poison import PoisonScenario
from cu.data.types import Poisoning
from cu.experiment.audits.poison import PoisonAudit, margin_slopes
from cu.metrics import primitives

AUDIT = PoisonAudit(batch_size=7)


def test_nothing_is_found_where_nothing_was_poisoned(make_scene):
    found = AUDIT.examine(make_scene(references=2))
    assert (found.judged, found.references, found.original) == (None, (None, None), None)


def test_slopes_are_those_of_finite_differences(make_scene):
    context = make_scene()
    clean = context.task.forget
    model, hardware = context.workspace.load(context.original).double(), context.workspace.hardware
    poisoning = Poisoning(clean, torch.zeros(1), 0.1)
    model = model.float()
    slope = margin_slopes(model, poisoning, torch.arange(2), hardware)
    rng, step = np.random.default_rng(0), 1e-2
    direction = torch.from_numpy(rng.normal(size=slope.shape).astype(np.float32))
    pixels = clean.images[clean.rows[:2]].float() / 255

    def margins(moved):
        with torch.no_grad():
            logits = model(clean.transform.normalize(moved)).logits
        return primitives.margin(logits.numpy(), clean.labels[:2].numpy())

    change = (margins(pixels + step * direction) - margins(pixels - step * direction)) / (2 * step)
    assert np.allclose((slope * direction.numpy()).sum(axis=(1, 2, 3)), change, rtol=0.1, atol=0.1)


def test_a_model_that_never_saw_the_noise_has_standard_normal_scores(make_scene, toy_data):
    context = make_scene()
    data = PoisonScenario(count=60, epsilon=0.3).prepare(toy_data, torch.Generator().manual_seed(1))
    scores = []
    for seed in range(4):
        noise = 0.3 * torch.randn(data.poisoning.noise.shape, generator=torch.Generator().manual_seed(seed))
        poisoning = replace(data.poisoning, noise=noise)
        found = AUDIT.scores(context.workspace.load(context.references[0]), poisoning, context.workspace.hardware)
        scores.append(found.scores)
    assert abs(np.mean(scores)) < 4 / np.sqrt(240)
    assert 0.85 < np.std(scores) < 1.15
