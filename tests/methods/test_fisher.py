from dataclasses import replace

import pytest
import torch

from cu.methods.fisher import Fisher


@pytest.fixture
def information(original):
    source = torch.Generator().manual_seed(0)
    return {n: 10 ** (8 * torch.rand(w.shape, generator=source) - 6) for n, w in original.named_parameters()}


def spread(original, information, scale, classes=()):
    return Fisher(scale=scale, samples=None).distribution(original, information, classes)


def test_nothing_happens_at_scale_0_to_forgotten_samples(original, toy_tasks, make_run, same_weights):
    model = Fisher(scale=0.0, samples=None).unlearn(original, toy_tasks["sample"], make_run())
    assert same_weights(model, original)


def test_at_scale_0_only_the_forgotten_rows_change_and_the_class_is_lost(original, toy_tasks, make_run):
    run, task = make_run(), toy_tasks["class"]
    with run.ledger.running():
        model = Fisher(scale=0.0, samples=10).unlearn(original, task, run)
    kept = [0, 1, 3]
    for name, weight in model.named_parameters():
        rows = kept if name.startswith("head.classifier") else ...
        assert torch.equal(weight[rows], original.get_parameter(name)[rows])
    assert model.head.classifier.weight[2].abs().max() < 0.2
    assert run.accuracy(model, task.forget) < 0.2
    assert run.accuracy(model, task.retain) > 0.8
    assert run.ledger.seconds["prep"] > 0


def test_noise_grows_with_the_root_of_the_scale_and_falls_with_the_information(original, information):
    _, small = spread(original, information, 1e-6)
    _, large = spread(original, information, 1e-4)
    for name in small:
        ratio = (large[name] / small[name]).sqrt()
        torch.testing.assert_close(ratio, torch.full_like(ratio, 10.0))
    bias = "encoder.1.weight"
    order = information[bias].argsort()
    assert (small[bias][order].diff() <= 0).all()


def test_variances_by_hand(original, information):
    means, variances = spread(original, information, 1.0, classes=(2,))
    for name, weight in original.named_parameters():
        last = name.startswith("head.classifier")
        expected = torch.empty_like(weight)
        for index in range(len(weight)):
            row = torch.minimum(1 / information[name][index], torch.tensor(100.0 if last else 1000.0))
            expected[index] = row.mean(0, keepdim=True) if row.ndim else row
        if last:
            expected[2] = 1e-4
        if last or weight.ndim == 1:
            expected *= 10
        torch.testing.assert_close(variances[name], expected, atol=0, rtol=1e-2)
        changed = (means[name] != weight).flatten(1).any(1) if weight.ndim > 1 else means[name] != weight
        assert changed.nonzero().flatten().tolist() == ([2] if last else [])


def test_the_forget_set_is_not_read(original, toy_tasks, make_run, same_weights):
    method, task = Fisher(scale=1e-4, samples=20), toy_tasks["sample"]
    blind = replace(task, forget=replace(task.forget, images=task.forget.images.to("meta")))
    assert same_weights(method.unlearn(original, task, make_run()), method.unlearn(original, blind, make_run()))


def test_noise_of_the_weights_has_the_stated_spread(original, toy_tasks, make_run):
    model = Fisher(scale=1e-3, samples=40).unlearn(original, toy_tasks["sample"], make_run())
    name = "head.projector.0.weight"  # 32 x 32 weights: nearly all without information
    moved = (model.get_parameter(name) - original.get_parameter(name)).std().item()
    assert 0.1 < moved <= 1.05  # the cap: sqrt(1e-3 * 1e3)
