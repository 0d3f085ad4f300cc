import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch
from cu.engine.predict import accuracy
from cu.engine.taps import tapped
from cu.losses.contrastive import contrastive_unlearning_loss
from cu.methods.ec import DeeplySupervised, EraseAtTheCore
from cu.models.resnet import ResNet


def ec(recipe, **settings):
    plain = {"omega": 2, "temperature": 0.7, "forget_weight": 1.0, "retain_weight": 1.0, "decay": 0.5, "dim": 8}
    return EraseAtTheCore(**{"recipe": recipe, **plain, **settings})


def batch_of(split, count):
    chosen = torch.arange(count)
    return Batch(split.eval_view(chosen), split.labels[chosen], {split.name: count})


def test_blocks_are_seen_pooled_in_the_order_of_their_calls():
    torch.manual_seed(0)
    model = ResNet(depth=18, width=2, head="projection", dim=4).build(4, (1, 8, 8)).eval()
    images, expected, children = torch.randn(3, 1, 8, 8), [], list(model.encoder.children())
    x = images
    for child in children:
        x = child(x)
        if any(True for _ in child.parameters()):
            expected.append(x.flatten(2).mean(2).clone())
    with tapped(model) as seen:
        output = model(images)
    assert len(seen) == len(expected)
    for ours, theirs in zip(seen, expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(seen[-1], output.encoded)
    model(images)
    assert len(seen) == len(expected), "nothing is recorded outside"


def test_the_loss_is_the_weighted_sum_over_depths(toy_tasks, make_recipe):
    task = toy_tasks["class"]
    torch.manual_seed(0)
    model = ResNet(depth=18, width=2, head="projection", dim=4).build(4, (1, 6, 6)).eval()
    student = DeeplySupervised(model, task, 8).eval()
    pair = Pair(batch_of(task.forget, 5), batch_of(task.retain, 6))
    images, expected = torch.cat([pair.forget.images, pair.retain.images]), 0.0
    with tapped(student) as seen:
        output = student(images)
    outputs = [head(x) for head, x in zip(student.auxiliary, seen[:-1], strict=True)] + [output]
    assert len(outputs) == 5
    for weight, found in zip([0.3**4, 0.3**3, 0.3**2, 0.3, 1], outputs, strict=True):
        z = found.embedding
        contrast = contrastive_unlearning_loss(z[:5], pair.forget.labels, z[5:], pair.retain.labels, 0.7) / 5
        expected += weight * (2.0 * contrast + 3.0 * F.cross_entropy(found.logits[5:], pair.retain.labels))
    loss = ec(make_recipe(), decay=0.3, forget_weight=2.0, retain_weight=3.0).loss(student, pair)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_class_is_forgotten_and_no_auxiliary_head_is_left(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    method = ec(make_recipe(lr=0.05, epochs=8, batch_size=16), forget_weight=3.0)
    model = method.unlearn(original, task, make_run())
    assert model.state_dict().keys() == original.state_dict().keys()
    assert accuracy(model, task.forget, hardware) < 0.3
    assert accuracy(model, task.retain, hardware) > 0.85
    assert not any(isinstance(module, nn.ModuleList) for module in model.modules())
