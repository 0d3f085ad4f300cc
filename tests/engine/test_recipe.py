import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from cu.engine.recipe import AdamW, Sgd, StepDecay
from cu.errors import ConfigError


def rates(recipe, steps_per_epoch, steps=None):
    """The learning rate that each optimizer step used."""
    optimizer = recipe.optimizer([nn.Parameter(torch.zeros(1))])
    scheduler = recipe.scheduler(optimizer, [steps_per_epoch] * recipe.epochs)
    used = []
    for _ in range(steps or recipe.epochs * steps_per_epoch):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return used


def test_constant(make_recipe):
    assert rates(make_recipe(schedule="constant", epochs=3, lr=0.3), 2) == [0.3] * 6


def test_one_cycle_by_hand(make_recipe):
    # 10 steps: two up, then down over eight.
    expected = [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert rates(make_recipe(schedule="one_cycle", epochs=5, lr=1.0), 2) == pytest.approx(expected)


def test_one_cycle_peaks_once_and_ends_near_zero(make_recipe):
    used = rates(make_recipe(schedule="one_cycle", epochs=8, lr=0.1), 11)
    peak = used.index(max(used))
    assert max(used) == pytest.approx(0.1, rel=0.03)
    assert peak / len(used) == pytest.approx(0.2, abs=0.02)
    assert used[:peak] == sorted(used[:peak])
    assert used[peak:] == sorted(used[peak:], reverse=True)
    assert used[-1] < 0.003


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
@pytest.mark.parametrize(("epochs", "steps_per_epoch"), [(1, 1), (1, 7), (3, 1), (10, 13)])
def test_factors_are_positive_and_at_most_one(make_recipe, schedule, epochs, steps_per_epoch):
    used = rates(make_recipe(schedule=schedule, epochs=epochs, lr=1.0), steps_per_epoch)
    assert all(0 < rate <= 1 for rate in used)


def test_cosine_by_hand(make_recipe):
    used = rates(make_recipe(schedule="cosine", epochs=4, lr=1.0), 2)
    half = math.sqrt(0.5)
    by_epoch = [1, (1 + half) / 2, 0.5, (1 - half) / 2]
    assert used == pytest.approx([rate for rate in by_epoch for _ in range(2)])


@pytest.mark.parametrize("steps_per_epoch", [1, 5])
def test_cosine_is_torchs_stepped_once_per_epoch(make_recipe, steps_per_epoch):
    used = rates(make_recipe(schedule="cosine", epochs=9, lr=0.2), steps_per_epoch)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.2)
    scheduler = CosineAnnealingLR(optimizer, T_max=9)
    expected = []
    for _ in range(9):
        for _ in range(steps_per_epoch):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
        scheduler.step()
    assert used == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_a_budget_of_nothing_has_a_schedule(make_recipe, schedule):
    assert rates(make_recipe(schedule=schedule, epochs=0), 4) == []


def descend(optimizer, parameter):
    target = torch.tensor([1.0, -2.0, 3.0])
    for _ in range(5):
        optimizer.zero_grad()
        ((parameter - target) ** 2).sum().backward()
        optimizer.step()
    return parameter.detach()


def start():
    return nn.Parameter(torch.tensor([0.5, 0.5, 0.5]))


@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_by_hand(nesterov):
    """Heavy-ball SGD written out: L2 decay enters the gradient; the first buffer is the gradient itself."""
    lr, momentum, decay = 0.05, 0.9, 0.1
    x, velocity, target = start().detach().clone(), None, torch.tensor([1.0, -2.0, 3.0])
    for _ in range(5):
        gradient = 2 * (x - target) + decay * x
        velocity = gradient if velocity is None else momentum * velocity + gradient
        x = x - lr * (gradient + momentum * velocity if nesterov else velocity)
    parameter = start()
    sgd = Sgd(lr=lr, momentum=momentum, weight_decay=decay, nesterov=nesterov)
    torch.testing.assert_close(descend(sgd([parameter]), parameter), x)


def test_sgd_is_torchs():
    ours, theirs = start(), start()
    sgd = Sgd(lr=0.1, momentum=0.8, weight_decay=0.02, nesterov=True)
    reference = torch.optim.SGD([theirs], lr=0.1, momentum=0.8, weight_decay=0.02, nesterov=True)
    assert torch.equal(descend(sgd([ours]), ours), descend(reference, theirs))


def test_adamw_is_torchs_also_with_lists_from_a_config():
    ours, theirs = start(), start()
    adamw = AdamW(lr=0.1, betas=[0.8, 0.95], weight_decay=0.02)  # type: ignore[arg-type]
    reference = torch.optim.AdamW([theirs], lr=0.1, betas=(0.8, 0.95), weight_decay=0.02)
    assert torch.equal(descend(adamw([ours]), ours), descend(reference, theirs))


def test_nesterov_without_momentum_is_the_users_mistake():
    sgd = Sgd(lr=0.1, momentum=0.0, weight_decay=0.0, nesterov=True)
    with pytest.raises(ConfigError, match="nesterov=true needs optimizer"):
        sgd([start()])


def test_step_decay_is_torchs_and_that_of_a_list_of_milestones(make_recipe):
    """Steps 3, 5 and 9 of a tenth each: epoch 4 (counted from 1) is the first of the lower rate."""
    recipe = make_recipe(schedule=StepDecay(milestones=(3, 5, 9), factor=0.1), epochs=10)
    weight = nn.Parameter(torch.zeros(1))
    theirs = torch.optim.SGD([weight], lr=1.0)
    reference = torch.optim.lr_scheduler.MultiStepLR(theirs, [3, 5, 9], 0.1)
    for epoch in range(10):
        expected = theirs.param_groups[0]["lr"]
        for step in (4 * epoch, 4 * epoch + 3):
            assert recipe.lr_factor(step, step // 4, 40) == pytest.approx(expected)
        theirs.step()
        reference.step()
    assert recipe.lr_factor(4 * 2, 2, 40) == 1
    assert recipe.lr_factor(4 * 3, 3, 40) == pytest.approx(0.1)
