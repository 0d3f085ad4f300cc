from dataclasses import dataclass, field

import pytest
import torch
from torch.nn import functional as F

from cu.config.contradictions import contradictions
from cu.engine.predict import accuracy, predict
from cu.errors import ConfigError
from cu.methods.cf_k import CfK
from cu.methods.cmf import ClassMeanFeatures
from cu.methods.eu_k import EuK
from cu.methods.head_only import HeadOnly
from cu.methods.logit_mask import LogitMask
from cu.methods.original import Original
from cu.methods.random_label import RandomLabel
from cu.methods.rum import Rum
from cu.methods.scissorhands import Scissorhands
from cu.methods.types import Need
from cu.methods.weight_negation import Negation


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


def idle_bases(recipe):
    """Methods that have nothing but the last layer to train, to trim or to hide, and what they are refused for."""
    return {
        "head_only": (HeadOnly(recipe=recipe), "method.base changes nothing before the last layer"),
        "logit_mask": (LogitMask(), "method.base changes nothing before the last layer"),
        "cf_k": (CfK(recipe=recipe, layers=1), "method.base.layers=1 is the last layer alone"),
        "eu_k": (EuK(recipe=recipe, layers=1), "method.base.layers=1 is the last layer alone"),
        "scissorhands": (
            Scissorhands(recipe=recipe, trim=0.1, layers=1, forget_weight=0.1),
            "method.base.layers=1 is the last layer alone",
        ),
        "rum": (
            Rum(low=Original(), medium=CfK(recipe=recipe, layers=1), high=Original()),
            "method.base.medium.layers=1 is the last layer alone",
        ),
    }


@pytest.mark.parametrize("name", ["head_only", "logit_mask", "cf_k", "eu_k", "scissorhands", "rum"])
def test_a_base_for_the_last_layer_alone_is_refused_beforehand(original, toy_tasks, make_run, make_recipe, name):
    base, message = idle_bases(make_recipe(batchnorm="frozen"))[name]
    method = ClassMeanFeatures(base=base, rounds=1, scale=10.0)
    (line,) = contradictions(method, "method")
    assert line.startswith(message)
    with pytest.raises(ConfigError, match=message):
        method.unlearn(original, toy_tasks["class"], make_run())


@pytest.mark.parametrize("kind", [CfK, EuK])
def test_a_base_for_two_layers_moves_the_one_before_the_last(original, toy_tasks, make_run, make_recipe, kind):
    method = ClassMeanFeatures(base=kind(recipe=make_recipe(), layers=2), rounds=1, scale=10.0)
    assert not list(contradictions(method, "method"))
    model = method.unlearn(original, toy_tasks["class"], make_run())
    assert not torch.equal(model.head.projector[2].weight, original.head.projector[2].weight)


def test_the_layers_to_negate_are_places_and_not_a_count(make_recipe):
    base = Negation(recipe=make_recipe(), layers=(1,))
    assert not list(contradictions(ClassMeanFeatures(base=base, rounds=1, scale=10.0), "method"))
