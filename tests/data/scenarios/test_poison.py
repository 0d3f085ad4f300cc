import pytest
import torch

from cu.data.scenarios.poison import PoisonScenario
from cu.data.task import make_task
from cu.errors import ConfigError


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def test_exactly_the_forget_set_has_noise_and_keeps_its_labels(toy_data):
    scenario = PoisonScenario(count=20, epsilon=0.2)
    data = scenario.prepare(toy_data, source())
    task = make_task(data, scenario, source())
    before, after = toy_data.train.images[toy_data.train.rows], data.train.images[data.train.rows]
    changed = (before != after).flatten(1).any(dim=1)
    assert data.train.ids[changed].tolist() == task.forget.ids.tolist() == data.poisoning.clean.ids.tolist()
    assert len(task.forget) == 20
    assert torch.equal(data.train.labels, toy_data.train.labels)
    assert torch.equal(before, toy_data.train.images[toy_data.train.rows]), "the data set itself is left as it was"
    assert data.test is toy_data.test
    assert data.val is toy_data.val
    poisoning = data.poisoning
    clean = poisoning.clean.images[poisoning.clean.rows].float()
    assert torch.equal(after[changed].float(), (clean + 255 * poisoning.noise).round().clamp(0, 255))


def test_noise_has_the_spread_asked_for_and_follows_the_seed(toy_data):
    first, again, other = (PoisonScenario(count=20, epsilon=0.2).prepare(toy_data, source(s)) for s in (0, 0, 1))
    assert first.poisoning.noise.std() == pytest.approx(0.2, rel=0.1)
    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.train.images, other.train.images)


def test_something_must_be_retained(toy_data):
    with pytest.raises(ConfigError, match="leave some to retain"):
        PoisonScenario(count=len(toy_data.train), epsilon=0.1).prepare(toy_data, source())
