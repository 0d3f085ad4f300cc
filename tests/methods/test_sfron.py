import math

import pytest
import torch
from torch.nn import functional as F

from cu.data.batches.shuffled import Batch
from cu.methods.finetune import FineTune
from cu.methods.sfron import Ascent, Interleaved, SFRon, adaptive_weights


def sfron(recipe, **settings):
    plain = {"ascent": 5.0, "adaptivity": 0.5, "every": 3, "saliency_ratio": 1.0, "forget_clip_norm": 7.0}
    return SFRon(recipe=recipe, **{**plain, **settings})


def test_without_ascent_it_is_fine_tuning(original, toy_tasks, make_run, make_recipe, same_weights):
    recipe, task = make_recipe(), toy_tasks["class"]
    ours = sfron(recipe, ascent=0.0).unlearn(original, task, make_run())
    assert same_weights(ours, FineTune(recipe=recipe).unlearn(original, task, make_run()))


@pytest.mark.parametrize("adaptivity", [0.0, 0.5, 2.0])
def test_weights_sum_to_1_and_balance_the_losses(adaptivity):
    losses = torch.tensor([0.1, 0.5, 2.0, 7.0])
    weights = adaptive_weights(losses, adaptivity)
    assert weights.sum().item() == pytest.approx(1)
    balance = weights * losses**adaptivity
    torch.testing.assert_close(balance, balance[:1].expand(4))


def test_a_loss_of_0_is_no_infinity():
    assert adaptive_weights(torch.zeros(3), 2.0).tolist() == pytest.approx([1 / 3] * 3)


def test_no_ratio_masks_nothing_and_a_higher_one_more(original, toy_tasks, make_run, make_recipe):
    def share(ratio):
        mask = sfron(make_recipe(), saliency_ratio=ratio).mask(original, toy_tasks["class"], make_run())
        return torch.cat([m.flatten() for m in mask.values()]).double().mean().item()

    assert share(0.0) == 1
    assert 1 > share(1.0) > share(10.0)


class Fixed:
    def __init__(self, name, length):
        self.name, self.length = name, length

    def __len__(self):
        return self.length

    def epoch(self, index):
        empty = torch.empty(0)
        return iter([Batch(empty, empty, {f"{self.name}/{index}/{k}": 1}) for k in range(self.length)])


def test_forget_steps_come_before_every_third_retain_step_and_fade_out():
    stream = Interleaved(Fixed("f", 1), Fixed("r", 7), every=3, ascent=10.0, epochs=2)
    passes = [list(stream.epoch(k)) for k in range(2)]
    kinds = ["".join("f" if isinstance(b, Ascent) else "r" for b in p) for p in passes]
    assert kinds == ["frrrfrrrfr", "rrfrrrfrr"], "steps are counted on from the first pass to the second"
    assert len(stream) == 10
    names = [next(iter(b.counts)) for b in passes[0] if isinstance(b, Ascent)]
    assert names == ["f/0.0/0", "f/0.1/0", "f/0.2/0"], "the forget set is gone through again and again"
    scales = [b.scale for p in passes for b in p if isinstance(b, Ascent)]
    assert scales == pytest.approx([5 * (1 + math.cos(math.pi * s / 14)) for s in (0, 3, 6, 9, 12)])


@pytest.mark.parametrize(("retain", "every", "epochs"), [(19, 3, 2), (10, 5, 4), (7, 1, 3), (3, 5, 4)])
def test_the_number_of_forget_steps_is_that_of_the_released_counter(retain, every, epochs):
    stream = Interleaved(Fixed("f", 2), Fixed("r", retain), every=every, ascent=1.0, epochs=epochs)
    found = sum(isinstance(b, Ascent) for k in range(epochs) for b in stream.epoch(k))
    expected = 0
    for step in range(retain * epochs):
        if step % every == 0:
            expected += 1
    assert found == expected


@pytest.mark.parametrize(("retain", "every", "epochs"), [(4, 10, 10), (9, 5, 10), (7, 3, 2), (10, 5, 4)])
def test_each_pass_knows_its_own_number_of_batches_by_which_rates_are_scheduled(retain, every, epochs):
    stream = Interleaved(Fixed("f", 2), Fixed("r", retain), every=every, ascent=1.0, epochs=epochs)
    lengths = [len(list(stream.epoch(k))) for k in range(epochs)]
    assert [stream.length(k) for k in range(epochs)] == lengths
    assert len(stream) == math.ceil(sum(lengths) / epochs)


def test_the_learning_rate_falls_at_the_ends_of_passes_of_different_lengths(original, toy_tasks, make_run, make_recipe):
    """4 retain batches a pass; forget batches come before the 1st, 4th, 7th, 10th, 13th and 16th of the 16."""
    rates = []

    def watched(values, step):
        rates.append((step, values["lr"]))

    recipe = make_recipe(lr=0.04, epochs=4, batch_size=32, schedule="cosine")
    sfron(recipe).unlearn(original, toy_tasks["class"], make_run(log=watched))
    assert [step for step, _ in rates] == [6, 11, 16, 22]
    assert [rate for _, rate in rates] == pytest.approx([0.02 * (1 + math.cos(math.pi * k / 4)) for k in range(1, 5)])


def test_the_ascent_loss_is_minus_the_weighted_sum(original, toy_tasks, make_recipe):
    split = toy_tasks["class"].forget
    batch = Batch(split.eval_view(torch.arange(len(split))), split.labels, {})
    losses = F.cross_entropy(original(batch.images).logits, batch.labels, reduction="none")
    powers = losses.detach() ** -0.5
    expected = -3.0 * (powers / powers.sum() * losses).sum()
    value = sfron(make_recipe()).loss(original, Ascent(batch, 3.0))
    torch.testing.assert_close(value, expected)
    ours, theirs = (torch.autograd.grad(v, original.head.classifier.bias)[0] for v in (value, expected))
    torch.testing.assert_close(ours, theirs)


def test_a_forget_step_is_masked_then_clipped(make_recipe):
    model = torch.nn.Linear(3, 1, bias=False)
    before = model.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), 1.0, weight_decay=0.0)
    model.weight.grad = torch.tensor([[3.0, 4.0, 100.0]])
    mask = {"weight": torch.tensor([[True, True, False]])}
    with sfron(make_recipe(), forget_clip_norm=0.5).forget_step(mask, model, optimizer):
        optimizer.step()
    torch.testing.assert_close(before - model.weight, torch.tensor([[0.3, 0.4, 0.0]]))


def test_retain_steps_are_free_and_forget_steps_are_not(original, toy_tasks, make_run, make_recipe, monkeypatch):
    masks = []
    real = SFRon.forget_step

    def watched(self, mask, model, optimizer):
        masks.append(mask)
        return real(self, mask, model, optimizer)

    monkeypatch.setattr(SFRon, "forget_step", watched)
    run, task = make_run(), toy_tasks["class"]
    with run.ledger.running():
        model = sfron(make_recipe(lr=0.05, epochs=6, schedule="cosine")).unlearn(original, task, run)
    retain_batches = math.ceil(len(task.retain) / 32)
    assert len(masks) == math.ceil(6 * retain_batches / 3)
    assert run.ledger.steps == 6 * retain_batches + len(masks)
    assert run.ledger.samples["retain"] == 6 * len(task.retain) + len(task.retain), "and once for the importances"
    outside = ~masks[0]["encoder.0.weight"]
    assert (model.encoder[0].weight[outside] != original.encoder[0].weight[outside]).any()
    assert run.accuracy(model, task.forget) < 0.5
    assert run.accuracy(model, task.retain) > 0.6
    assert run.ledger.seconds["prep"] > 0
