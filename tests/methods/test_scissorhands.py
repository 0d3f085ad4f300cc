import pytest
import torch
from torch.nn import functional as F

from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch
from cu.engine.predict import accuracy
from cu.methods.finetune import FineTune
from cu.methods.scissorhands import Scissorhands


def scissorhands(recipe, **settings):
    return Scissorhands(**{"recipe": recipe, "trim": 0.1, "layers": 2, "forget_weight": 0.1, **settings})


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_the_most_sensitive_weights_of_the_last_layers_start_anew(original, toy_tasks, make_run, make_recipe, scenario):
    task, run = toy_tasks[scenario], make_run()
    start = scissorhands(make_recipe(epochs=0)).unlearn(original, task, run)
    images, labels = task.forget.eval_view(torch.arange(len(task.forget))), task.forget.labels
    loss = sum(F.cross_entropy(original(i[None]).logits, y[None]) for i, y in zip(images, labels, strict=True))
    fresh, last = run.new_model("scissorhands"), ("head.projector.2", "head.classifier")
    names = [name for name, _ in original.named_parameters() if name.startswith(last)]
    scores = []
    for name in names:
        (gradient,) = torch.autograd.grad(loss, original.get_parameter(name), retain_graph=True)
        products = gradient * original.get_parameter(name)
        scores += [(abs(s), name, k) for k, s in enumerate(products.flatten().tolist())]
    chosen = {(name, k) for _, name, k in sorted(scores, reverse=True)[: int(0.1 * len(scores))]}
    assert len(chosen) > 5
    for name, weight in start.named_parameters():
        own, old, new = (
            w.flatten().tolist() for w in (weight, original.get_parameter(name), fresh.get_parameter(name))
        )
        assert own == [new[k] if (name, k) in chosen else old[k] for k in range(len(old))], name


def test_repair_is_descent_less_a_little_ascent(original, toy_tasks, make_recipe):
    task = toy_tasks["sample"]
    sides = [Batch(s.eval_view(torch.arange(7)), s.labels[:7], {s.name: 7}) for s in (task.forget, task.retain)]
    forget, retain = (-original(b.images).logits.log_softmax(1)[torch.arange(7), b.labels].mean().item() for b in sides)
    loss = scissorhands(make_recipe(), forget_weight=0.3).loss(original, Pair(*sides))
    assert loss.item() == pytest.approx(retain - 0.3 * forget, rel=1e-4)


def test_without_trimming_and_ascent_it_is_fine_tuning(original, toy_tasks, make_run, make_recipe):
    recipe, task = make_recipe(batchnorm="frozen"), toy_tasks["class"]
    ours = scissorhands(recipe, trim=0.0, forget_weight=0.0).unlearn(original, task, make_run())
    expected = FineTune(recipe=recipe).unlearn(original, task, make_run())
    for own, theirs in zip(ours.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(own, theirs)


def test_a_class_is_forgotten(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]
    method = scissorhands(make_recipe(lr=0.02, epochs=5, batch_size=16), layers=4, forget_weight=0.2)
    model = method.unlearn(original, task, make_run())
    assert accuracy(model, task.forget, hardware) < 0.5
    assert accuracy(model, task.retain, hardware) > 0.8
