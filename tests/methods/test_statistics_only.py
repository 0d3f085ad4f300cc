import pytest
import torch
from torch import nn

from cu.methods.boundary_expand import BoundaryExpand
from cu.methods.boundary_shrink import BoundaryShrink
from cu.methods.delete import Delete
from cu.methods.gradient_ascent import GradientAscent
from cu.methods.statistics_only import StatisticsOnly
from cu.models.heads import LinearHead
from cu.models.types import Classifier

DRIFTING = {
    "gradient_ascent": lambda recipe: GradientAscent(recipe=recipe),
    "boundary_expand": lambda recipe: BoundaryExpand(recipe=recipe),
    "boundary_shrink": lambda recipe: BoundaryShrink(recipe=recipe, epsilon=0.2, failed="runner_up"),
    "delete": lambda recipe: Delete(recipe=recipe),
}


@pytest.mark.parametrize("name", DRIFTING)
@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_it_is_what_is_left_at_rate_0_of_methods_that_train_on_forget_batches_alone(
    original, toy_tasks, make_run, make_recipe, same_weights, name, scenario
):
    recipe, task = make_recipe(lr=0.0, epochs=3, batch_size=8, augment=True), toy_tasks[scenario]
    still = DRIFTING[name](recipe).unlearn(original, task, make_run())
    method = StatisticsOnly(epochs=3, batch_size=8, augment=True)
    assert same_weights(method.unlearn(original, task, make_run()), still)
    assert not same_weights(still, original)


@pytest.mark.parametrize("name", DRIFTING)
def test_frozen_statistics_leave_nothing_at_rate_0(original, toy_tasks, make_run, make_recipe, same_weights, name):
    recipe = make_recipe(lr=0.0, epochs=3, batch_size=8, batchnorm="frozen")
    assert same_weights(DRIFTING[name](recipe).unlearn(original, toy_tasks["class"], make_run()), original)


def test_no_weight_moves_but_statistics_do(original, toy_tasks, make_run):
    run, task = make_run(), toy_tasks["class"]
    model = StatisticsOnly(epochs=2, batch_size=8, augment=False).unlearn(original, task, run)
    for own, theirs in zip(model.parameters(), original.parameters(), strict=True):
        assert torch.equal(own, theirs)
    assert not torch.equal(model.encoder[1].running_mean, original.encoder[1].running_mean)
    assert run.ledger.samples == {"forget": 2 * len(task.forget)}
    assert run.ledger.steps == 0, "there is no optimizer"


def test_statistics_after_one_batch_by_hand(original, toy_tasks, make_run):
    """A tenth of the batch's own mean, nine tenths of what was there."""
    task = toy_tasks["class"]
    size = len(task.forget)
    model = StatisticsOnly(epochs=1, batch_size=size, augment=False).unlearn(original, task, make_run())
    seen = original.encoder[0](task.forget.eval_view(torch.arange(size))).mean((0, 2, 3))
    torch.testing.assert_close(model.encoder[1].running_mean, 0.9 * original.encoder[1].running_mean + 0.1 * seen)


def test_a_network_without_statistics_is_left_as_it_was_and_that_is_said(toy_tasks, make_run, same_weights, caplog):
    model = Classifier(nn.Sequential(nn.Flatten(), nn.Dropout(0.5)), LinearHead(36, 4)).eval()
    method = StatisticsOnly(epochs=2, batch_size=8, augment=False)
    method.check(model, toy_tasks["class"])
    assert [record.getMessage() for record in caplog.records] == [
        "warning: the network has no batch normalisation: statistics_only leaves it as it was"
    ]
    assert same_weights(method.unlearn(model, toy_tasks["class"], make_run()), model)
