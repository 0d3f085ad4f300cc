import math
from dataclasses import replace

import pytest
import torch

from cu.data.batches.shuffled import Batch
from cu.engine.context import MethodContext
from cu.engine.freezing import frozen_teacher
from cu.engine.predict import accuracy
from cu.errors import ConfigError
from cu.methods.lotus import Lotus, Tempering, tempered


def lotus(recipe, **settings):
    return Lotus(**{"recipe": recipe, "alpha": 2.0, "retain_fraction": 0.3, "unseen": "val", **settings})


def test_targets_are_gumbel_softmax_and_one_hot():
    """By hand, from the same exponential draws."""
    logits, smooth = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), torch.arange(6) < 3
    torch.manual_seed(3)
    found = tempered(logits, smooth, 0.7)
    torch.manual_seed(3)
    first, second = (-torch.empty(6, 4).exponential_().log() for _ in range(2))
    for k in range(6):
        if smooth[k]:
            scores = [math.exp((z + g) / 0.7) for z, g in zip(logits[k].tolist(), first[k].tolist(), strict=True)]
            assert found[k].tolist() == pytest.approx([s / sum(scores) for s in scores], rel=1e-4)
        else:
            assert found[k].argmax() == (logits[k] + second[k]).argmax()
            assert sorted(found[k].tolist()) == pytest.approx([0, 0, 0, 1])


def test_hard_targets_come_as_often_as_the_original_says():
    torch.manual_seed(0)
    p = torch.tensor([0.6, 0.3, 0.1])
    found = tempered(p.log().expand(20_000, 3), torch.zeros(20_000, dtype=torch.bool), 1.0).mean(0)
    torch.testing.assert_close(found, p, atol=0.015, rtol=0)


@pytest.mark.parametrize(("seen", "unseen", "temperature", "reached"), [
    (1.0, 0.8, math.exp(0.4), False), (0.8, 0.8, 1.0, False), (0.78, 0.8, math.exp(-0.04), True)
])  # fmt: skip
def test_the_temperature_follows_the_difference_of_accuracies(original, seen, unseen, temperature, reached):
    tempering = Tempering(frozen_teacher(original), 2.0, unseen)
    tempering.look(seen)
    assert tempering.temperature == pytest.approx(temperature)
    assert tempering.reached == reached


def test_the_loss_is_cross_entropy_with_these_targets(original, toy_tasks, make_run):
    split, student = toy_tasks["sample"].forget, make_run().new_model().eval()
    flags = torch.tensor([1, 1, 0, 0, 0])
    batch, tempering = Batch(split.eval_view(torch.arange(5)), flags, {}), Tempering(frozen_teacher(original), 1.0, 0.5)
    tempering.look(1.0)
    torch.manual_seed(1)
    loss = tempering.loss(student, batch)
    torch.manual_seed(1)
    target = tempered(original(batch.images).logits, flags.bool(), math.exp(0.5)).tolist()
    said = student(batch.images).logits.softmax(1).tolist()
    expected = -sum(t * math.log(q) for a, b in zip(target, said, strict=True) for t, q in zip(a, b, strict=True)) / 5
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_it_ends_when_the_forget_set_is_known_no_better(original, toy_tasks, make_run, make_recipe, monkeypatch):
    task, log = toy_tasks["sample"], []
    seen = {"forget": iter([1.0, 0.9, 0.78]), "val": iter([0.8])}
    monkeypatch.setattr(MethodContext, "accuracy", lambda self, model, split: next(seen[split.name]))
    run = make_run(log=lambda values, step: log.append(values))
    lotus(make_recipe(epochs=9)).unlearn(original, task, run)
    assert [v["lotus/temperature"] for v in log if "lotus/temperature" in v] == pytest.approx(
        [math.exp(0.2), math.exp(-0.04)]
    )
    assert run.ledger.samples["forget"] == 2 * len(task.forget)
    assert run.ledger.samples["retain"] == 2 * round(0.3 * len(task.retain))


def test_what_is_known_no_better_from_the_start_is_left_and_that_is_said(
    original, toy_tasks, make_run, make_recipe, same_weights, caplog
):
    task = toy_tasks["sample"]
    wrong = replace(task, forget=task.forget.relabelled((task.forget.labels + 1) % 4))
    assert same_weights(lotus(make_recipe()).unlearn(original, wrong, make_run()), original)
    (record,) = caplog.records
    assert record.getMessage().startswith("warning: lotus leaves the weights as they were: the forget set is known no")
    caplog.clear()
    lotus(make_recipe(epochs=1)).unlearn(original, task, make_run())
    assert not caplog.records


def test_validation_data_are_needed_for_samples(original, toy_tasks, make_run, make_recipe):
    task = replace(toy_tasks["sample"], val=toy_tasks["sample"].val.subset(torch.arange(0)))
    with pytest.raises(ConfigError, match=r"method\.unseen=val has no val samples"):
        lotus(make_recipe()).unlearn(original, task, make_run())
    lotus(make_recipe(epochs=1), unseen="nothing").unlearn(original, task, make_run())


def test_confidence_in_the_forgotten_class_falls(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    model = lotus(make_recipe(lr=0.05, epochs=10, batch_size=16), alpha=4.0).unlearn(original, task, make_run())
    images = task.forget.eval_view(torch.arange(len(task.forget)))
    before, after = (m(images).logits.softmax(1)[:, 2].mean() for m in (original, model))
    assert after < before - 0.2
    assert accuracy(model, task.retain, hardware) > 0.8
