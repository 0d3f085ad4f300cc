import pytest
import torch
from torch.nn import functional as F

from cu.engine.predict import accuracy
from cu.methods.finetune import FineTune
from cu.methods.msg import MaskedSmallGradients, damped, filter_weights


def msg(recipe, **settings):
    return MaskedSmallGradients(recipe=recipe, **{"reset": 0.3, "kept_gradient": 0.1, **settings})


def naive_mask(model, task, run, share):
    """The weights of the convolution, sorted by the difference of two mean gradients taken one sample at a time."""
    drawn = torch.randperm(len(task.retain), generator=run.generator("msg/retain"))[: len(task.forget)]
    weight = model.encoder[0].weight
    means = []
    for split in (task.retain.subset(drawn), task.forget):
        total = torch.zeros_like(weight)
        for k in range(len(split)):
            logits = model(split.eval_view(torch.tensor([k]))).logits
            total += torch.autograd.grad(F.cross_entropy(logits, split.labels[k : k + 1]), weight)[0]
        means.append(total / len(split))
    differences = [abs(a - b) for a, b in zip(*(m.flatten().tolist() for m in means), strict=True)]
    order = sorted(range(len(differences)), key=differences.__getitem__)
    return set(order[: int(share * len(order))])


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_the_weights_on_which_both_gradients_agree_start_anew(original, toy_tasks, make_run, make_recipe, scenario):
    run, task = make_run(), toy_tasks[scenario]
    start = msg(make_recipe(epochs=0)).unlearn(original, task, run)
    fresh = run.new_model("msg")
    own, old, new = (m.encoder[0].weight.flatten().tolist() for m in (start, original, fresh))
    chosen = naive_mask(original, task, make_run(), 0.3)
    assert len(chosen) == 21
    assert own == [new[k] if k in chosen else old[k] for k in range(72)]
    assert torch.equal(start.head.classifier.weight, original.head.classifier.weight)


def test_a_step_sees_a_tenth_of_the_gradient_of_what_was_kept():
    model = torch.nn.Linear(3, 1)
    model.weight.grad, model.bias.grad = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([4.0])
    with damped(model, {"weight": torch.tensor([[True, False, False]])}, 0.1):
        torch.testing.assert_close(model.weight.grad, torch.tensor([[1.0, 0.2, 0.3]]))
        assert model.bias.grad.item() == 4


def test_without_a_reset_and_damping_it_is_fine_tuning(original, toy_tasks, make_run, make_recipe, same_weights):
    recipe, task = make_recipe(), toy_tasks["sample"]
    ours = msg(recipe, reset=0.0, kept_gradient=1.0).unlearn(original, task, make_run())
    assert same_weights(ours, FineTune(recipe=recipe).unlearn(original, task, make_run()))


def test_networks_without_convolutions_reset_all_linear_layers_but_the_last():
    layers = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    assert filter_weights(layers) == ["0.weight", "2.weight"]


def test_what_is_kept_is_known_afterwards(original, toy_tasks, make_run, make_recipe, hardware):
    model = msg(make_recipe(lr=0.05, epochs=8)).unlearn(original, toy_tasks["class"], make_run())
    assert accuracy(model, toy_tasks["class"].retain, hardware) > 0.9
