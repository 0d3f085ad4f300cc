import torch

from cu.methods.gradient_ascent import GradientAscent
from cu.methods.statistics_only import StatisticsOnly


def test_it_is_ascent_that_does_not_move(original, toy_tasks, make_run, make_recipe, same_weights):
    recipe = make_recipe(lr=0.0, epochs=3, batch_size=8, augment=True)
    for task in toy_tasks.values():
        still = GradientAscent(recipe=recipe).unlearn(original, task, make_run())
        method = StatisticsOnly(epochs=3, batch_size=8, augment=True)
        assert same_weights(method.unlearn(original, task, make_run()), still)


def test_no_weight_moves_but_statistics_do(original, toy_tasks, make_run):
    run, task = make_run(), toy_tasks["class"]
    model = StatisticsOnly(epochs=2, batch_size=8, augment=False).unlearn(original, task, run)
    for own, theirs in zip(model.parameters(), original.parameters(), strict=True):
        assert torch.equal(own, theirs)
    assert not torch.equal(model.encoder[1].running_mean, original.encoder[1].running_mean)
    assert run.ledger.samples == {"forget": 2 * len(task.forget)}


def test_statistics_after_one_batch_by_hand(original, toy_tasks, make_run):
    """A tenth of the batch's own mean, nine tenths of what was there."""
    task = toy_tasks["class"]
    size = len(task.forget)
    model = StatisticsOnly(epochs=1, batch_size=size, augment=False).unlearn(original, task, make_run())
    seen = original.encoder[0](task.forget.eval_view(torch.arange(size))).mean((0, 2, 3))
    torch.testing.assert_close(model.encoder[1].running_mean, 0.9 * original.encoder[1].running_mean + 0.1 * seen)
