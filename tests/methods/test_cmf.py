from dataclasses import dataclass, field

import pytest
import torch
from torch.nn import functional as F

from cu.engine.predict import accuracy, predict
from cu.errors import ConfigError
from cu.methods.cf_k import CfK
from cu.methods.cmf import ClassMeanFeatures
from cu.methods.original import Original
from cu.methods.random_label import RandomLabel
from cu.methods.types import Need


@dataclass
class Noting:
    """Leaves the model as it is and notes what it was given."""

    seen: list = field(default_factory=list)

    def unlearn(self, model, task, context):
        self.seen.append(model)
        return Original().unlearn(model, task, context)


def test_rows_are_the_scaled_directions_of_class_means(original, toy_tasks, make_run, hardware):
    task, note = toy_tasks["class"], Noting()
    model = ClassMeanFeatures(base=note, rounds=2, scale=7.0).unlearn(original, task, make_run())
    seen = [F.relu(predict(original, split, hardware).embedding) for split in (task.retain, task.forget)]
    features, labels = torch.cat(seen), torch.cat([task.retain.labels, task.forget.labels])
    for c in range(4):
        rows = [row for row, label in zip(features.tolist(), labels.tolist(), strict=True) if label == c]
        mean = torch.tensor([sum(column) / len(rows) for column in zip(*rows, strict=True)])
        torch.testing.assert_close(model.head.classifier.weight[c], 7 * mean / mean.norm(), rtol=1e-4, atol=1e-4)
    assert model.head.classifier.bias.abs().max() == 0
    assert len(note.seen) == 2


def test_the_base_moves_features_and_never_the_rows(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    given = ClassMeanFeatures(base=Original(), rounds=1, scale=10.0)
    base = RandomLabel(recipe=make_recipe(lr=0.05, epochs=4), order="joint", labels="wrong", redraw=True)
    start = given.with_means(original, task, make_run())
    after = base.unlearn(start, task, make_run())
    assert torch.equal(after.head.classifier.weight, start.head.classifier.weight)
    model = ClassMeanFeatures(base=base, rounds=2, scale=10.0).unlearn(original, task, make_run())
    assert accuracy(model, task.retain, hardware) > 0.8
    assert all(p.requires_grad for p in model.parameters())


def test_needs_name_the_settings_of_the_base():
    class Picky:
        needs = (Need("validation data", "method.stop_on=val", "method.stop_on to test"),)

    own = ClassMeanFeatures(base=Picky(), rounds=1, scale=1.0).needs[-1]
    assert (own.because, own.instead) == ("method.base.stop_on=val", "method.base.stop_on to test")


def test_a_base_that_trains_the_last_layer_alone_has_nothing_to_do(original, toy_tasks, make_run, make_recipe):
    method = ClassMeanFeatures(base=CfK(recipe=make_recipe(), layers=1), rounds=1, scale=10.0)
    with pytest.raises(ConfigError, match=r"^nothing is left to train") as caught:
        method.unlearn(original, toy_tasks["class"], make_run())
    assert "\n" not in str(caught.value)
