import pytest
import torch
from torch.nn import functional as F

from cu.engine.numerics import gradients, importance
from cu.engine.numerics.gradients import flat, mean_gradient, sample_gradients, unflat
from cu.engine.numerics.importance import importance as measure


def naive(model, split):
    """One backward pass per sample: a list of {name: gradient}."""
    model.eval()
    rows = []
    for position in range(len(split)):
        model.zero_grad()
        chosen = torch.tensor([position])
        F.cross_entropy(model(split.eval_view(chosen)).logits, split.labels[chosen]).backward()
        rows.append({name: weight.grad.clone() for name, weight in model.named_parameters()})
    model.zero_grad(set_to_none=True)
    return rows


def source():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def split(toy_data):
    return toy_data.train.subset(torch.arange(11))


def test_sample_gradients_are_those_of_a_loop(original, split):
    images, labels = split.eval_view(torch.arange(11)), split.labels
    ours = sample_gradients(original, images, labels)
    for position, row in enumerate(naive(original, split)):
        for name, gradient in row.items():
            torch.testing.assert_close(ours[name][position], gradient, atol=1e-6, rtol=1e-4)


def test_mean_gradient_is_the_mean_of_the_samples_even_over_unequal_batches(original, split, hardware, monkeypatch):
    monkeypatch.setattr(gradients, "SCORING_BATCH", 4)
    rows = naive(original, split)
    for name, ours in mean_gradient(original, split, hardware).items():
        torch.testing.assert_close(ours, torch.stack([r[name] for r in rows]).mean(0), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("at_once", [1, 4, 100])
def test_per_sample_importance_is_that_of_a_loop(original, split, hardware, monkeypatch, at_once):
    monkeypatch.setattr(importance, "samples_at_once", lambda model: at_once)
    ours = measure(original, split, "grad2_sample", hardware, batch_size=1, source=source())
    rows = naive(original, split)
    for name in ours:
        torch.testing.assert_close(ours[name], torch.stack([r[name] for r in rows]).square().mean(0))


def test_batch_importance_of_single_samples_is_per_sample_importance(original, split, hardware):
    batch = measure(original, split, "grad2_batch", hardware, batch_size=1, source=source())
    sample = measure(original, split, "grad2_sample", hardware, batch_size=99, source=source())
    for name in batch:
        torch.testing.assert_close(batch[name], sample[name], atol=1e-9, rtol=1e-3)


def test_batch_kinds_of_one_batch_are_its_squared_and_absolute_mean_gradient(original, split, hardware):
    mean = mean_gradient(original, split, hardware)
    square = measure(original, split, "grad2_batch", hardware, batch_size=11, source=source())
    absolute = measure(original, split, "abs_grad_sum", hardware, batch_size=11, source=source())
    for name, gradient in mean.items():
        torch.testing.assert_close(square[name], gradient.square(), atol=1e-9, rtol=1e-3)
        torch.testing.assert_close(absolute[name], gradient.abs(), atol=1e-6, rtol=1e-3)


def test_absolute_value_is_taken_after_the_sum(original, split, hardware):
    ours = measure(original, split, "abs_grad_sum", hardware, batch_size=1, source=source())
    rows = naive(original, split)
    for name in ours:
        torch.testing.assert_close(ours[name], torch.stack([r[name] for r in rows]).sum(0).abs(), atol=1e-6, rtol=1e-4)


def test_fisher_is_the_expectation_over_the_models_own_labels(original, split, hardware):
    ours = measure(original, split, "fisher_model_labels", hardware, batch_size=1, source=source())
    with torch.no_grad():
        probability = original(split.eval_view(torch.arange(11))).logits.softmax(1)
    classes = probability.shape[1]
    by_class = [naive(original, split.relabelled(torch.full_like(split.labels, c))) for c in range(classes)]
    for name in ours:
        terms = [probability[i, c] * by_class[c][i][name].square() for i in range(len(split)) for c in range(classes)]
        torch.testing.assert_close(ours[name], torch.stack(terms).sum(0) / 11, atol=1e-7, rtol=1e-3)


@pytest.mark.parametrize("kind", ["grad2_batch", "grad2_sample", "abs_grad_sum", "fisher_model_labels"])
def test_measuring_leaves_the_model_as_it_was(original, split, hardware, same_weights, make_model, kind):
    original.train()
    original.encoder[1].eval()
    original.zero_grad(set_to_none=True)
    before = make_model()
    before.load_state_dict(original.state_dict())
    measure(original, split, kind, hardware, batch_size=4, source=source())
    assert same_weights(original, before)
    assert original.training
    assert not original.encoder[1].training
    assert all(weight.grad is None and weight.requires_grad for weight in original.parameters())


def test_frozen_parameters_have_no_importance(original, split, hardware):
    original.encoder[0].weight.requires_grad_(False)
    for kind in ("grad2_batch", "grad2_sample"):
        names = set(measure(original, split, kind, hardware, batch_size=4, source=source()))
        assert names == {n for n, _ in original.named_parameters()} - {"encoder.0.weight"}


def test_flat_and_unflat_are_inverse():
    weights = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([7.0])}
    vector = flat(weights)
    assert vector.tolist() == [0, 1, 2, 3, 4, 5, 7]
    assert all(torch.equal(back, weights[name]) for name, back in unflat(vector, weights).items())
    assert flat({name: torch.stack([w, -w]) for name, w in weights.items()}, lead=1)[1].tolist() == (-vector).tolist()


def test_fisher_of_drawn_labels_is_the_expectation_on_average(original, split, hardware, monkeypatch):
    exact = measure(original, split, "fisher_model_labels", hardware, batch_size=1, source=source())
    monkeypatch.setattr(importance, "MANY_LABELS", 1)
    monkeypatch.setattr(importance, "DRAWN_LABELS", 400)
    drawn = measure(original, split, "fisher_model_labels", hardware, batch_size=1, source=source())
    for name in exact:
        assert float(drawn[name].sum()) == pytest.approx(float(exact[name].sum()), rel=0.15)
