from dataclasses import replace

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch.nn import functional as F

from cu.config.build import build
from cu.config.component import Component
from cu.config.folder import config_folder
from cu.data.batches.shuffled import concatenated
from cu.methods.ssd import SSD, dampening_factors


def ssd(**settings):
    plain = {
        "threshold": 0.5,
        "threshold_unit": "bound",
        "dampening": 1.0,
        "importance": "grad2_sample",
        "batch_size": 16,
    }
    return SSD(**{**plain, **settings})


def touched(model, original):
    return sum(int((a != b).sum()) for a, b in zip(model.parameters(), original.parameters(), strict=True))


def test_factors_by_hand():
    own, every = {"w": torch.tensor([4.0, 4.0, 1.0, 0.0, 2.0])}, {"w": torch.tensor([1.0, 2.0, 1.0, 0.0, 0.0])}
    assert dampening_factors(own, every, 2.0, 1.0)["w"].tolist() == [0.25, 1.0, 1.0, 1.0, 0.0]
    assert dampening_factors(own, every, 2.0, 8.0)["w"].tolist() == [1.0, 1.0, 1.0, 1.0, 0.0]


def test_equal_importance_touches_nothing():
    scores = {"w": torch.rand(50)}
    assert (dampening_factors(scores, scores, 1.0, 0.1)["w"] == 1).all()


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_importance_to_the_forget_set_is_bounded(original, toy_tasks, make_run, scenario):
    task, run = toy_tasks[scenario], make_run()
    everything = concatenated((task.retain, task.forget))
    own, every = (ssd().measured(original, split, run) for split in (task.forget, everything))
    bound = len(everything) / len(task.forget)
    for name in own:
        assert (own[name] <= every[name] * bound * (1 + 1e-4) + 1e-20).all()


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_above_the_bound_nothing_happens(original, toy_tasks, make_run, same_weights, scenario):
    assert same_weights(ssd(threshold=1.01).unlearn(original, toy_tasks[scenario], make_run()), original)


def test_the_published_threshold_cannot_touch_a_class_of_four(original, toy_tasks, make_run, same_weights):
    method = ssd(threshold=10.0, threshold_unit="absolute")
    assert same_weights(method.unlearn(original, toy_tasks["class"], make_run()), original)


def test_units_agree(original, toy_tasks, make_run, same_weights):
    task = toy_tasks["class"]
    bound = (len(task.forget) + len(task.retain)) / len(task.forget)
    models = [
        ssd(threshold=value, threshold_unit=unit).unlearn(original, task, make_run())
        for value, unit in ((0.5, "bound"), (0.5 * bound, "absolute"))
    ]
    assert same_weights(*models)


@pytest.mark.parametrize("kind", ["grad2_sample", "grad2_batch"])
def test_weights_only_shrink_fewer_the_higher_the_threshold_and_statistics_stay(original, toy_tasks, make_run, kind):
    task, counts = toy_tasks["class"], []
    for threshold in (0.2, 0.5, 0.8):
        model = ssd(threshold=threshold, importance=kind).unlearn(original, task, make_run())
        counts.append(touched(model, original))
        for ours, theirs in zip(model.parameters(), original.parameters(), strict=True):
            assert (ours.abs() <= theirs.abs()).all()
            assert (ours * theirs >= 0).all()
        assert all(torch.equal(b, original.get_buffer(n)) for n, b in model.named_buffers())
    assert counts[0] > counts[1] > counts[2]


def test_a_class_is_forgotten_without_training(original, toy_tasks, make_run):
    rows, task = [], toy_tasks["class"]
    run = make_run(log=lambda values, step: rows.append(values))
    with run.ledger.running():
        model = ssd().unlearn(original, task, run)
    assert run.accuracy(model, task.forget) < 0.5
    assert run.accuracy(model, task.retain) > 0.6
    assert run.ledger.steps == 0
    assert run.ledger.seconds["prep"] > 0
    total = sum(w.numel() for w in original.parameters())
    assert rows[0]["ssd/touched_share"] == pytest.approx(touched(model, original) / total, abs=0.02)


def named(name, task, original, make_run):
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        node = OmegaConf.to_container(compose(f"method/{name}"), resolve=True)["method"]
    method = build(Component(node))
    assert isinstance(method, SSD)
    return method, method.unlearn(original, task, make_run())


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_ssd_det_has_the_same_outcome_in_any_order(original, toy_tasks, make_run, scenario):
    """One sample at a time, by the formula; and other draws change nothing."""
    task = toy_tasks[scenario]
    method, model = named("ssd_det", task, original, make_run)
    other = method.unlearn(original, task, make_run(seed=7))
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
    for name, weight in original.named_parameters():
        squares = {}
        for part in (task.forget, task.retain):
            squares[part.name] = torch.zeros_like(weight, dtype=torch.double)
            for k in range(len(part)):
                logits = original(part.eval_view(torch.tensor([k]))).logits
                (gradient,) = torch.autograd.grad(F.cross_entropy(logits, part.labels[k : k + 1]), weight)
                squares[part.name] += gradient.double() ** 2
        forget, count = squares["forget"] / len(task.forget), len(task.forget) + len(task.retain)
        every = (squares["forget"] + squares["retain"]) / count
        limit, found = 0.5 * count / len(task.forget), model.get_parameter(name).flatten().tolist()
        for value, own, all_, ours in zip(*(t.flatten().tolist() for t in (weight, forget, every)), found, strict=True):
            if own < limit * all_ * 0.999:
                assert ours == value
            elif own > limit * all_ * 1.001:
                assert ours == pytest.approx(value * min(all_ / own, 1), rel=1e-3, abs=1e-7)


def test_lfssd_reads_no_label(original, toy_tasks, make_run, same_weights):
    task = toy_tasks["class"]
    method, model = named("lfssd", task, original, make_run)
    mute = {s: getattr(task, s).relabelled(torch.zeros_like(getattr(task, s).labels)) for s in ("forget", "retain")}
    assert same_weights(model, method.unlearn(original, replace(task, **mute), make_run()))
    assert touched(model, original) > 0
    assert make_run().accuracy(model, task.forget) < 0.6
    few = task.forget.subset(torch.arange(5))
    found = method.measured(original, few, make_run())
    for name, weight in original.named_parameters():
        total = torch.zeros_like(weight)
        for k in range(5):
            logits = original(few.eval_view(torch.tensor([k]))).logits[0]
            (gradient,) = torch.autograd.grad(sum(z * z for z in logits), weight)
            total += gradient.abs() / 5
        torch.testing.assert_close(found[name], total, atol=1e-5, rtol=1e-3)
