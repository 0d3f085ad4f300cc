import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cu.engine.ledger import Ledger
from cu.engine.numerics.attack import input_gradient, on_pixels, pixels_of
from cu.engine.numerics.gradients import mean_gradient
from cu.engine.numerics.importance import importance
from cu.engine.passes import flops_per_image
from cu.engine.predict import predict
from cu.models.heads import build_head
from cu.models.types import Classifier


@pytest.fixture
def passes(hardware):
    """`(work) -> (images forwards, images backwards)` of a piece of work."""

    def count(work):
        ledger = Ledger(hardware)
        with ledger.running():
            work(ledger)
        return ledger.cost()["forward_images"], ledger.cost()["backward_images"]

    return count


def test_forwards_and_backwards_are_told_apart(passes, original, toy_tasks, hardware):
    forget = toy_tasks["sample"].forget
    images = forget.eval_view(torch.arange(7))

    def work(ledger):
        original(images).logits.sum().backward()
        with torch.no_grad():
            original(images[:3])
        predict(original, forget, hardware)

    assert passes(work) == (7 + 3 + 20, 7)
    original(images)


def test_what_happens_off_the_clock_is_not_counted(passes, original, toy_tasks, hardware):
    def work(ledger):
        with ledger.paused():
            predict(original, toy_tasks["sample"].forget, hardware)

    assert passes(work) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("grad2_sample", (20, 20)), ("grad2_batch", (20, 20)), ("fisher_model_labels", (20 + 4 * 20, 4 * 20))],
)
def test_gradients_of_single_samples_count_each(passes, original, toy_tasks, hardware, kind, expected):
    forget, source = toy_tasks["sample"].forget, torch.Generator().manual_seed(0)
    assert passes(lambda _: importance(original, forget, kind, hardware, batch_size=8, source=source)) == expected


def test_preparation_that_reads_data_is_seen(original, toy_tasks, hardware):
    ledger, task = Ledger(hardware), toy_tasks["sample"]
    with ledger.running(), ledger.preparing():
        mean_gradient(original, task.retain, hardware)
        pixels, labels = pixels_of(task.forget, torch.arange(6), hardware)
        input_gradient(on_pixels(original, task.forget, hardware), pixels, labels)
    cost = ledger.cost()
    assert (cost["samples_seen_retain"], cost["samples_seen_forget"]) == (len(task.retain), 6)
    assert cost["backward_images"] == len(task.retain) + 6


def test_scores_and_looks_at_the_accuracy_read_data(original, toy_tasks, make_run, hardware):
    run, task = make_run(), toy_tasks["sample"]
    run.accuracy(original, task.retain)  # before the clock runs
    with run.ledger.running():
        run.accuracy(original, task.val)
        with run.ledger.preparing():
            predict(original, task.forget, hardware)
        with run.ledger.paused():
            run.accuracy(original, task.retain)
    cost = run.ledger.cost()
    assert (cost["samples_seen_retain"], cost["samples_seen_forget"]) == (len(task.val), len(task.forget))
    assert cost["forward_images"] == len(task.val) + len(task.forget)
    assert cost["steps"] == 0


def test_operations_of_a_linear_network():
    model = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(12, 5, bias=False)), build_head("linear", 5, 3, 8))
    found = flops_per_image(model, (3, 2, 2))
    # Backwards: both weights, and the input of the second layer; images need no gradient.
    assert found == (2 * (12 * 5 + 5 * 3), 2 * (12 * 5 + 5 * 3 + 5 * 3))


def test_operations_of_a_convolution():
    layers = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = flops_per_image(Classifier(layers, build_head("linear", 4, 3, 8)), (2, 5, 5))
    assert found.forward == 2 * (5 * 5 * 4 * 2 * 9 + 4 * 3)
    assert found.backward == 2 * (5 * 5 * 4 * 2 * 9 + 2 * 4 * 3)


def test_counting_operations_leaves_the_model_as_it_is(original, same_weights):
    frozen = original.requires_grad_(False)
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    assert flops_per_image(frozen, (1, 6, 6)).backward > 0
    assert not any(weight.requires_grad or weight.grad is not None for weight in frozen.parameters())
    assert all(torch.equal(before[name], value) for name, value in frozen.state_dict().items())
    assert F is not None
