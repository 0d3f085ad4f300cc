from dataclasses import dataclass, field, replace

import pytest
import torch
from torch.nn import functional as F

from cu.methods.finetune import FineTune
from cu.methods.original import Original
from cu.methods.rum import Rum, memorisation, thirds
from cu.methods.scrub import Scrub
from cu.methods.types import resources


@dataclass
class Noting:
    """Leaves the model as it is and notes what it was asked to forget and to keep."""

    seen: list = field(default_factory=list)

    def unlearn(self, model, task, context):
        self.seen.append((set(task.forget.ids.tolist()), set(task.retain.ids.tolist()), model))
        return Original().unlearn(model, task, context)


def test_portions_go_from_low_to_high_and_later_ones_are_kept_meanwhile(original, toy_tasks, make_run):
    task, note = toy_tasks["sample"], Noting()
    Rum(low=note, medium=note, high=note).unlearn(original, task, make_run())
    losses = {
        int(i): F.cross_entropy(original(task.forget.eval_view(torch.tensor([k]))).logits, y[None]).item()
        for k, (i, y) in enumerate(zip(task.forget.ids, task.forget.labels, strict=True))
    }
    ranked = sorted(losses, key=losses.__getitem__)
    low, medium, high = set(ranked[:6]), set(ranked[6:13]), set(ranked[13:])
    kept = set(task.retain.ids.tolist())
    expected = [(low, kept | medium | high), (medium, kept | high), (high, kept)]
    assert [(forget, retain) for forget, retain, _ in note.seen] == expected
    assert note.seen[0][2] is original
    assert note.seen[1][2] is not original


@pytest.mark.parametrize(("count", "sizes"), [(1, (0, 0, 1)), (2, (0, 1, 1)), (3, (1, 1, 1)), (7, (2, 2, 3))])
def test_few_samples_count_as_memorised(toy_tasks, count, sizes):
    split = toy_tasks["sample"].forget.subset(torch.arange(count))
    portions = thirds(split, torch.arange(count).float())
    assert tuple(len(portions[name]) for name in ("low", "medium", "high")) == sizes
    assert count - 1 in [int(p) for p in torch.isin(split.ids, portions["high"].ids).nonzero()]


def test_each_portion_is_forgotten_by_its_method(original, toy_tasks, make_run, make_recipe, same_weights):
    """Fine-tuning for the second third, nothing for the others: fine-tuning on what is kept and the last third."""
    task, recipe = toy_tasks["sample"], make_recipe()
    still = Original()
    ours = Rum(low=still, medium=FineTune(recipe=recipe), high=still).unlearn(original, task, make_run())
    portions = thirds(task.forget, memorisation(original, task.forget, make_run()))
    kept = [torch.cat([getattr(s, f) for s in (task.retain, portions["high"])]) for f in ("rows", "labels", "ids")]
    retain = replace(task.retain, rows=kept[0], labels=kept[1], ids=kept[2])
    expected = FineTune(recipe=recipe).unlearn(original, replace(task, retain=retain), make_run())
    assert same_weights(ours, expected)


def test_it_needs_what_its_methods_need(make_recipe):
    scrub = Scrub(
        recipe=make_recipe(), max_epochs=1, forget_batch_size=8, temperature=1.0, retain_weight=1.0,
        distillation_weight=0.5, rewind=True,
    )  # fmt: skip
    wanted = Rum(low=Original(), medium=FineTune(recipe=make_recipe()), high=scrub).needs
    assert resources(wanted) == {"forget data", "retain data", "validation data"}
    assert [need.because for need in wanted if need.resource == "validation data"] == ["method.high.rewind=true"]
