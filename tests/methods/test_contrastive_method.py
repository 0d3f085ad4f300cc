import math
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch
from cu.engine.context import MethodContext
from cu.errors import ConfigError
from cu.methods.contrastive import Contrastive, held_out_split


@pytest.fixture
def make(make_recipe):
    def make(**settings):
        own = {name: settings.pop(name) for name in ("lr", "epochs", "batch_size", "batchnorm") if name in settings}
        plain = {
            "recipe": make_recipe(**own),
            "temperature": 0.7,
            "forget_weight": 3.0,
            "retain_weight": 1.0,
            "omega": 2,
            "reduction": "mean",
            "push_weight": "equation",
            "embedding": "signed",
            "normalize": True,
            "retain_sampling": "random",
            "retain_size": "full",
            "detach_retain": False,
            "joint_forward": True,
            "stop_on": "never",
            "stop_every": None,
            "keep_best": False,
            "queue": 0,
            "momentum": 0.99,
        }
        return Contrastive(**{**plain, **settings})

    return make


@pytest.fixture
def pair(toy_tasks):
    def pair(scenario, forget=6, retain=9):
        task = toy_tasks[scenario]
        parts = []
        for split, size in ((task.forget, forget), (task.retain, retain)):
            chosen = torch.arange(size)
            parts.append(Batch(split.eval_view(chosen), split.labels[chosen], {split.name: size}))
        return Pair(*parts)

    return pair


def equation_7(model, pair, method):
    """One logarithm of one quotient at a time, on plain lists."""

    def embed(batch):
        rows = model(batch.images).embedding.tolist()
        if method.normalize:
            rows = [[v / math.sqrt(sum(w * w for w in row)) for v in row] for row in rows]
        return [[max(v, 0.0) for v in row] for row in rows] if method.embedding == "rectified" else rows

    anchors, remain = embed(pair.forget), embed(pair.retain)
    total = 0.0
    for z, y in zip(anchors, pair.forget.labels.tolist(), strict=True):
        e = [math.exp(sum(a * b for a, b in zip(z, r, strict=True)) / method.temperature) for r in remain]
        labels = pair.retain.labels.tolist()
        same, other = ([v for v, w in zip(e, labels, strict=True) if (w == y) == flag] for flag in (True, False))
        total += -sum(math.log(v / (sum(same) if same else len(other))) for v in other) / len(other)
    contrast = total / len(anchors) if method.reduction == "mean" else total
    entropy = 0.0
    for row, y in zip(model(pair.retain.images).logits.tolist(), pair.retain.labels.tolist(), strict=True):
        entropy += math.log(sum(math.exp(v - max(row)) for v in row)) + max(row) - row[y]
    return method.forget_weight * contrast + method.retain_weight * entropy / len(pair.retain.labels)


@pytest.mark.parametrize("scenario", ["class", "sample"])
@pytest.mark.parametrize("head", ["projection", "linear"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"reduction": "sum", "temperature": 0.3},
        {"embedding": "rectified", "forget_weight": 0.5},
        {"normalize": False, "temperature": 5.0, "retain_weight": 2.0},
        {"joint_forward": False, "detach_retain": True},
    ],
)
def test_the_loss_is_equation_7(make, make_run, make_model, original, pair, scenario, head, settings):
    model = original if head == "projection" else make_run(build=lambda: make_model("linear")).new_model().eval()
    method, batch = make(**settings), pair(scenario)
    assert method.loss(model, batch).item() == pytest.approx(equation_7(model, batch, method), rel=1e-4)


def test_weights_switch_the_terms_off(make, original, pair):
    both, contrast, entropy = (
        make(forget_weight=f, retain_weight=r).loss(original, pair("sample")).item()
        for f, r in ((2, 3), (1, 0), (0, 1))
    )
    assert both == pytest.approx(2 * contrast + 3 * entropy, rel=1e-5)


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_joint_and_separate_forward_differ_through_batch_statistics_only(make, original, pair, scenario):
    joint, separate = make(joint_forward=True), make(joint_forward=False)
    batch = pair(scenario)
    original.eval()
    assert joint.loss(original, batch).item() == pytest.approx(separate.loss(original, batch).item(), rel=1e-5)
    original.train()
    assert joint.loss(original, batch).item() != pytest.approx(separate.loss(original, batch).item(), rel=1e-5)


def test_stopping_the_gradient_at_retained_embeddings(make, original, pair):
    """With frozen anchors nothing is left to learn from."""
    batch = pair("sample")

    def gradient(detach):
        method = make(detach_retain=detach, retain_weight=0.0)
        images = batch.retain.images.clone().requires_grad_()
        loss = method.loss(original, Pair(batch.forget, replace(batch.retain, images=images)))
        return torch.autograd.grad(loss, images, allow_unused=True, materialize_grads=True)[0].abs().sum().item()

    assert gradient(False) > 0
    assert gradient(True) == 0


def test_every_forget_batch_takes_omega_steps(make, original, toy_tasks, make_run):
    task, run = toy_tasks["sample"], make_run()
    make(omega=3, epochs=2, batch_size=8).unlearn(original, task, run)
    assert run.ledger.steps == 2 * 3 * 3, "passes x forget batches x omega"
    assert run.ledger.samples["forget"] == 2 * 3 * 20
    assert run.ledger.samples["retain"] >= 2 * 3 * 3 * 8 - 8


class Scripted:
    """Accuracies by split, one after the other; the last one stays."""

    def __init__(self, **by_split):
        self.by_split, self.asked = {name: list(values) for name, values in by_split.items()}, []

    def __call__(self, model, split):
        self.asked.append((split.name, len(split)))
        values = self.by_split[split.name]
        return values.pop(0) if len(values) > 1 else values[0]


def stopped_after(make, original, task, make_run, monkeypatch, script, **settings):
    """Optimizer steps until the stop rule, which reads scripted accuracies, ends unlearning; and the run's rows."""
    rows = []
    monkeypatch.setattr(MethodContext, "accuracy", lambda self, model, split: script(model, split))
    run = make_run(log=lambda values, step: rows.append((values, step)))
    make(**{"omega": 1, "batch_size": 8, "epochs": 6, **settings}).unlearn(original, task, run)
    return run.ledger.steps, rows


@pytest.mark.parametrize("where", ["val", "test"])
def test_classes_are_forgotten_until_chance(make, original, toy_tasks, make_run, monkeypatch, where):
    task = toy_tasks["class"]
    passes = math.ceil(len(task.forget) / 8)
    script = Scripted(**{where: [1.0, 0.26, 0.25, 0.0]})
    steps, rows = stopped_after(make, original, task, make_run, monkeypatch, script, stop_on=where)
    assert steps == 3 * passes, "the first accuracy of at most 1/4 is that of pass 3"
    held_out = int((getattr(task, where).labels == 2).sum())
    assert script.asked == [(where, held_out)] * 3, "held-out samples of the forgotten class, once a pass"
    seen = [values for values, _ in rows if "stop/limit" in values]
    assert [values["stop/watched_acc"] for values in seen] == [1.0, 0.26, 0.25]
    assert {values["stop/limit"] for values in seen} == {0.25}


def test_samples_are_forgotten_until_they_look_unseen(make, original, toy_tasks, make_run, monkeypatch):
    task = toy_tasks["sample"]
    script = Scripted(forget=[1.0, 0.9, 0.85], val=[0.95, 0.8, 0.85])
    steps, _ = stopped_after(make, original, task, make_run, monkeypatch, script, stop_on="val")
    assert steps == 3 * 3, "1.0 > 0.95, 0.9 > 0.8, 0.85 <= 0.85"
    assert set(script.asked) == {("forget", 20), ("val", 48)}


def test_no_stop_rule_means_all_passes(make, original, toy_tasks, make_run, monkeypatch):
    script = Scripted(forget=[0.0], val=[1.0], test=[1.0])
    steps, rows = stopped_after(make, original, toy_tasks["sample"], make_run, monkeypatch, script, stop_on="never")
    assert steps == 6 * 3
    assert script.asked == []
    assert not any("stop/limit" in values for values, _ in rows)


def test_a_rule_that_never_holds_means_all_passes(make, original, toy_tasks, make_run, monkeypatch):
    script = Scripted(forget=[1.0], val=[0.5])
    steps, _ = stopped_after(make, original, toy_tasks["sample"], make_run, monkeypatch, script, stop_on="val")
    assert steps == 6 * 3


def test_looks_may_come_every_few_steps(make, original, toy_tasks, make_run, monkeypatch):
    script = Scripted(forget=[1.0, 1.0, 0.1], val=[0.5])
    steps, rows = stopped_after(
        make, original, toy_tasks["sample"], make_run, monkeypatch, script, stop_on="val", stop_every=2, omega=4
    )
    assert steps == 6
    assert [step for values, step in rows if "stop/limit" in values] == [2, 4, 6]


def test_looks_rarer_than_steps_are_taken_at_the_end_of_each_pass(make, original, toy_tasks, make_run, monkeypatch):
    script = Scripted(forget=[1.0, 0.1], val=[0.5])
    settings = {"stop_on": "val", "stop_every": 1000, "epochs": 6}
    steps, rows = stopped_after(make, original, toy_tasks["sample"], make_run, monkeypatch, script, **settings)
    assert steps == 2 * 3
    assert [step for values, step in rows if "stop/limit" in values] == [3, 6]


def test_the_last_weights_may_be_the_best(make, original, toy_tasks, make_run, monkeypatch, same_weights):
    """Three steps with a look after every second one: the last is best, and nobody else would look at it."""
    task, taken = toy_tasks["sample"], {"lr": 0.05, "epochs": 1, "batch_size": 8, "omega": 1}
    last = make(stop_on="never", **taken).unlearn(original, task, make_run())
    script = Scripted(forget=[1.0, 0.9], val=[0.5, 0.5, 0.9, 0.9])
    monkeypatch.setattr(MethodContext, "accuracy", lambda self, model, split: script(model, split))
    best = make(stop_on="val", stop_every=2, keep_best=True, **taken).unlearn(original, task, make_run())
    assert same_weights(best, last)


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_without_validation_samples_the_rule_has_nowhere_to_look(make, original, toy_tasks, make_run, scenario):
    task = toy_tasks[scenario]
    blind = replace(task, val=task.val.subset(torch.tensor([], dtype=torch.long)))
    with pytest.raises(ConfigError, match=r"^method\.stop_on=val finds no val .*dataset\.val_fraction") as caught:
        make(stop_on="val").unlearn(original, blind, make_run())
    assert "\n" not in str(caught.value)
    make(stop_on="never", epochs=0).unlearn(original, blind, make_run())
    assert len(held_out_split(blind, "test")) > 0


def test_stop_rules_read_the_model_in_evaluation_mode_and_leave_frozen_layers_frozen(
    make, original, toy_tasks, make_run, same_weights
):
    settings = {"batchnorm": "frozen", "epochs": 2, "batch_size": 8, "lr": 0.01}
    watched = make(stop_on="val", stop_every=1, **settings)
    alone = make(stop_on="never", **settings)
    task = replace(toy_tasks["sample"], val=toy_tasks["sample"].val.relabelled(torch.zeros(48, dtype=torch.long) + 9))
    runs = [make_run(), make_run()]
    # Nothing is ever right on these labels, so that the rule never holds.
    models = [m.unlearn(original, task, run) for m, run in zip((watched, alone), runs, strict=True)]
    assert runs[0].ledger.steps == runs[1].ledger.steps
    assert same_weights(*models)


def released_loop(model, forget_batches, retain, size, omega, lr):
    """The loop of the released code, in plain torch: batches of the forget set as they come, the last one smaller."""
    model.train()
    velocity = [torch.zeros_like(p) for p in model.parameters()]
    for images, labels in forget_batches:
        for k in range(omega):
            chosen = torch.arange(k * size, (k + 1) * size)
            retain_images, retain_labels = retain.eval_view(chosen)[: len(labels)], retain.labels[chosen][: len(labels)]
            logits, embedding, _ = model(torch.cat([images, retain_images]))
            rectified = embedding.relu()
            anchors, others = rectified[: len(labels)], rectified[len(labels) :]
            similarity = anchors @ others.T / 0.7
            same = (labels[:, None] == retain_labels[None, :]).float()
            total = 0.0
            for row, mask in zip(similarity, same, strict=True):
                denominator = (row.exp() * mask).sum()
                push = denominator.log() if mask.any() else torch.zeros(())
                total = total - ((row * (1 - mask)).sum() - len(row) * push) / (1 - mask).sum()
            loss = 3.0 * total / len(labels) + F.cross_entropy(logits[len(labels) :], retain_labels)
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            with torch.no_grad():
                for weight, speed, gradient in zip(model.parameters(), velocity, gradients, strict=True):
                    speed.mul_(0.9).add_(gradient)
                    weight -= lr * speed
    return model


@pytest.mark.parametrize(("scenario", "forget", "size"), [("class", 35, 16), ("sample", 19, 8), ("class", 32, 16)])
def test_all_released_switches_together_follow_the_released_loop_on_ragged_batches(
    make, original, toy_tasks, make_run, scenario, forget, size
):
    task = toy_tasks[scenario]
    task = replace(task, forget=task.forget.subset(torch.arange(forget)).augmented(False))
    method = make(
        omega=3, embedding="rectified", push_weight="released", retain_sampling="first", retain_size="equal",
        lr=0.05, epochs=1, batch_size=size,
    )  # fmt: skip
    recipe = replace(method.recipe, optimizer=replace(method.recipe.optimizer, weight_decay=0.0))
    method, run = replace(method, recipe=recipe), make_run()
    batches = [(batch.images, batch.labels) for batch in run.batches(task.forget, recipe).epoch(0)]
    expected = released_loop(deepcopy(original), batches, task.retain, size, 3, 0.05)
    ours = method.unlearn(original, task, make_run())
    for own, theirs, start in zip(ours.parameters(), expected.parameters(), original.parameters(), strict=True):
        assert (own - theirs).abs().max() <= 1e-6
        assert (own - start).abs().max() > 1e-3


def test_the_cut_is_a_switch(make, original, toy_tasks, make_run):
    seen = {}
    for size in ("full", "equal"):
        run = make_run()
        make(omega=2, batch_size=8, epochs=1, retain_size=size).unlearn(original, toy_tasks["sample"], run)
        seen[size] = run.ledger.samples["retain"]
    assert seen == {"full": 2 * 3 * 8, "equal": 2 * (8 + 8 + 4)}
