import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from cu.data.batches.shuffled import Batch
from cu.data.batches.views import TwoViews
from cu.methods.coun import CoUn
from cu.methods.finetune import FineTune


@pytest.mark.parametrize("augment", [False, True])
def test_without_contrast_it_is_fine_tuning(original, toy_tasks, make_run, make_recipe, same_weights, augment):
    recipe, task = make_recipe(augment=augment), toy_tasks["sample"]
    model = CoUn(recipe=recipe, contrast_weight=0.0, temperature=0.1).unlearn(original, task, make_run())
    assert same_weights(model, FineTune(recipe=recipe).unlearn(original, task, make_run()))


def test_the_recipe_alone_decides_on_augmentation(original, toy_tasks, make_run, make_recipe, same_weights):
    task, method = toy_tasks["class"], CoUn(recipe=make_recipe(augment=True), contrast_weight=1.0, temperature=0.1)
    plain = replace(task, retain=task.retain.augmented(False))
    assert same_weights(*(method.unlearn(original, one, make_run()) for one in (task, plain)))


def test_the_loss_of_orthonormal_embeddings(original, toy_tasks, make_recipe):
    class Fixed(torch.nn.Module):
        def forward(self, images):
            output = original(images)
            return output._replace(embedding=torch.eye(8)[: len(images)])

    retain = toy_tasks["class"].retain
    images, labels = retain.eval_view(torch.arange(6)), retain.labels[:6]
    method = CoUn(recipe=make_recipe(), contrast_weight=0.5, temperature=0.2)
    loss = method.loss(Fixed(), TwoViews(Batch(images, labels, {}), images))  # type: ignore[arg-type]
    contrast = 2 * math.log(1 + 5 * math.exp(-5))
    expected = F.cross_entropy(original(images).logits, labels).item() + 0.5 * contrast
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_sees_the_first_view_only(original, toy_tasks, make_recipe):
    retain = toy_tasks["class"].retain
    images = retain.eval_view(torch.arange(6))
    method = CoUn(recipe=make_recipe(), contrast_weight=1.0, temperature=0.2)
    losses = [
        method.loss(original, TwoViews(Batch(images, labels, {}), images.flip(-1)))
        for labels in (retain.labels[:6], (retain.labels[:6] + 1) % 4)
    ]
    errors = [
        F.cross_entropy(original(images).logits, labels) for labels in (retain.labels[:6], (retain.labels[:6] + 1) % 4)
    ]
    torch.testing.assert_close(losses[1] - losses[0], errors[1] - errors[0], rtol=1e-4, atol=1e-5)


def test_the_account_counts_an_image_once_and_the_forget_set_is_never_read(original, toy_tasks, make_run, make_recipe):
    task, run = toy_tasks["class"], make_run()
    blind = replace(task, forget=replace(task.forget, images=task.forget.images.to("meta")))
    CoUn(recipe=make_recipe(), contrast_weight=1.0, temperature=0.1).unlearn(original, blind, run)
    assert run.ledger.samples == {"retain": 2 * len(task.retain)}
