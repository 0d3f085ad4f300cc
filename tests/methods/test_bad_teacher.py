import pytest
import torch

from cu.data.batches.shuffled import Batch
from cu.engine.freezing import frozen_teacher
from cu.engine.predict import predict
from cu.methods.bad_teacher import BadTeacher, drawn, taught_logits


def make_method(recipe, **settings):
    return BadTeacher(
        recipe=recipe, **{"temperature": 1.0, "retain_fraction": 0.3, "reduction": "batchmean", **settings}
    )


def flagged(split, flags):
    return Batch(split.eval_view(torch.arange(len(flags))), torch.tensor(flags), {})


def entropy(model, split, hardware):
    chances = predict(model, split, hardware).logits.double().softmax(1)
    return -(chances * chances.log()).sum(1).mean().item()


def test_each_sample_has_its_own_teacher(original, toy_tasks, make_run):
    good, bad = frozen_teacher(original), frozen_teacher(make_run().new_model("bad"))
    batch = flagged(toy_tasks["class"].retain, [0, 1, 1, 0])
    target = taught_logits(good, bad, batch)
    for row, (flag, image) in enumerate(zip(batch.labels, batch.images, strict=True)):
        torch.testing.assert_close(target[row], (bad if flag else good)(image[None]).logits[0])
    torch.testing.assert_close(target.softmax(1).sum(1), torch.ones(4))


def test_what_is_kept_has_no_gradient_at_the_start(original, toy_tasks, make_run, make_recipe):
    good, bad = frozen_teacher(original), frozen_teacher(make_run().new_model("bad"))

    def steepest(flag):
        loss = make_method(make_recipe()).loss(good, bad, original, flagged(toy_tasks["class"].retain, [flag] * 20))
        return max(g.abs().max().item() for g in torch.autograd.grad(loss, list(original.parameters())))

    assert steepest(0) < 1e-6
    assert steepest(1) > 1e-2


def test_the_released_reduction_is_smaller_by_the_number_of_classes(original, toy_tasks, make_run, make_recipe):
    good, bad = frozen_teacher(original), frozen_teacher(make_run().new_model("bad"))
    batch = flagged(toy_tasks["class"].retain, [0, 1, 1])
    by_sample, by_entry = (
        make_method(make_recipe(), reduction=reduction).loss(good, bad, original, batch)
        for reduction in ("batchmean", "mean")
    )
    assert (by_sample / by_entry).item() == pytest.approx(4, rel=1e-5)


def test_the_forgotten_become_uncertain(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    model = make_method(make_recipe(epochs=5)).unlearn(original, task, make_run())
    before, after = (entropy(m, task.forget, hardware) for m in (original, model))
    kept_before, kept_after = (entropy(m, task.retain, hardware) for m in (original, model))
    assert after > before + 0.5
    assert abs(kept_after - kept_before) < 0.5 * (after - before)


def test_the_account(original, toy_tasks, make_run, make_recipe):
    task, run = toy_tasks["sample"], make_run()
    make_method(make_recipe()).unlearn(original, task, run)
    assert run.ledger.samples == {"forget": 2 * len(task.forget), "retain": 2 * round(0.3 * len(task.retain))}


@pytest.mark.parametrize(("fraction", "expected"), [(1.0, 124), (0.5, 62), (1e-6, 1)])
def test_the_drawn_part_of_the_retain_set(toy_tasks, fraction, expected):
    retain = toy_tasks["sample"].retain
    parts = [drawn(retain, fraction, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert [len(set(part.ids.tolist())) for part in parts] == [expected] * 3
    assert set(parts[0].ids.tolist()) <= set(retain.ids.tolist())
    assert torch.equal(parts[0].ids, parts[1].ids)
    assert not torch.equal(parts[0].ids, parts[2].ids)
