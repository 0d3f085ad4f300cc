import pytest
import torch
from torch.nn import functional as F

from cu.data.batches.shuffled import Batch
from cu.engine.freezing import frozen_teacher
from cu.engine.predict import predict
from cu.methods.delete import Delete, erasing_loss, without_class
from cu.methods.types import scenarios_of


def test_the_target_is_the_renormalised_rest():
    logits = 3 * torch.randn(20, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(20) % 5
    target, before = without_class(logits, labels).softmax(1), logits.softmax(1)
    for row, label in enumerate(labels.tolist()):
        rest = [k for k in range(5) if k != label]
        assert target[row, label] == 0
        torch.testing.assert_close(target[row, rest], before[row, rest] / before[row, rest].sum())


def test_the_gradient_on_logits_is_prediction_minus_target(original, toy_tasks, make_run):
    forget, student = toy_tasks["class"].forget, make_run().new_model().eval()
    batch = Batch(forget.eval_view(torch.arange(8)), forget.labels[:8], {})
    seen = {}
    student.head.register_forward_hook(lambda module, given, output: seen.update(logits=output.logits))
    loss = erasing_loss(frozen_teacher(original), student, batch)
    (gradient,) = torch.autograd.grad(loss, seen["logits"])
    target = original(batch.images).logits.detach().softmax(1)
    target[:, 2] = 0
    target /= target.sum(1, keepdim=True)
    torch.testing.assert_close(gradient, (seen["logits"].detach().softmax(1) - target) / 8, rtol=1e-4, atol=1e-7)


def test_at_the_optimum_other_classes_keep_their_ratios():
    teacher = torch.tensor([[4.0, 1.0, 0.5, -1.0]], dtype=torch.float64)
    wanted = without_class(teacher, torch.tensor([0]))
    logits = teacher.clone().requires_grad_()
    for _ in range(3000):
        (gradient,) = torch.autograd.grad(F.cross_entropy(logits, wanted.softmax(1)), logits)
        logits = (logits.detach() - 2 * gradient).requires_grad_()
    chances, before = logits.detach().softmax(1)[0], teacher.softmax(1)[0]
    assert chances[0] < 1e-2
    assert (chances[1] / chances[3]).item() == pytest.approx((before[1] / before[3]).item(), rel=1e-3)


def test_an_easy_class_goes_and_the_rest_stays(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    recipe = make_recipe(epochs=20, lr=0.01, weight_decay=0.0, batch_size=16)
    run = make_run()
    model = Delete(recipe=recipe).unlearn(original, task, run)
    chosen = predict(model, task.forget, hardware).logits.argmax(1)
    assert (chosen == 2).double().mean() < 0.3
    kept = predict(model, task.retain, hardware).logits.argmax(1) == task.retain.labels
    assert kept.double().mean() > 0.7
    assert run.ledger.samples.keys() == {"forget"}


def test_it_is_not_meant_for_samples():
    assert scenarios_of(Delete) == ("class",)  # type: ignore[arg-type]
