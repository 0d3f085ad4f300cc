import io
import math
from copy import deepcopy
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch.nn import functional as F

from cu.disk.json_lines import JsonLines, read_rows
from cu.engine.fit import Diverged, cross_entropy, fit
from cu.engine.hardware import Hardware
from cu.engine.interruption import Descents
from cu.engine.ledger import Ledger
from cu.seeds import derive_seed


@pytest.fixture
def train(toy_data, make_run, make_recipe, make_model):
    """Fit a fresh model to the toy data; `(recipe settings, run settings) -> (model, run)`."""

    def train(*, model=None, after_step=None, checkpoint=None, loss=cross_entropy, run=None, **settings):
        run = run or make_run(build=lambda: make_model(dropout=0.2))
        recipe = make_recipe(**settings)
        model = model or run.new_model()
        if checkpoint:
            run = replace(run, descents=Descents(lambda number: checkpoint, every=0))
        batches = run.batches(toy_data.train, recipe)
        return fit(model, batches, loss, recipe, run, after_step=after_step, state=()), run

    return train


def by_hand(model, run, split, *, epochs, batch_size, lr, momentum, weight_decay, clip=None, augment=False):
    """The loop in the plainest torch, with the documented random streams."""
    model = deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
    total, steps = epochs * math.ceil(len(split) / batch_size), 0
    split = split.augmented(augment)
    for epoch in range(epochs):
        torch.manual_seed(derive_seed(run.seed, f"layers/{epoch}"))
        model.train()
        source = torch.Generator().manual_seed(derive_seed(run.seed, f"batches/{split.name}/{epoch}"))
        order = torch.randperm(len(split), generator=source)
        for chosen in order.split(batch_size):
            optimizer.param_groups[0]["lr"] = lr * min((steps + 1) / (0.2 * total), (total - steps) / (0.8 * total), 1)
            loss = F.cross_entropy(model(split.train_view(chosen, source)).logits, split.labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            steps += 1
    return model


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("augment", [False, True])
def test_bit_for_bit_a_plain_loop(train, toy_data, make_run, make_model, same_weights, augment, clip):
    run = make_run(seed=3, build=lambda: make_model(dropout=0.2))
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3, "epochs": 3, "batch_size": 24}
    start = run.new_model()
    expected = by_hand(start, run, toy_data.train, clip=clip, augment=augment, **settings)
    model, _ = train(model=start, run=run, schedule="one_cycle", augment=augment, clip_norm=clip, **settings)
    assert same_weights(model, expected)


def test_it_learns(train, toy_data, hardware):
    from cu.engine.predict import accuracy

    model, _ = train(epochs=6, lr=0.2, batch_size=16)
    assert accuracy(model, toy_data.test, hardware) > 0.9


@pytest.mark.parametrize("training", [True, False])
def test_the_given_model_is_left_as_it_was(train, make_run, same_weights, training):
    run = make_run()
    given = run.new_model().train(training)
    copy = deepcopy(given)
    model, _ = train(model=given, run=run)
    assert same_weights(given, copy)
    assert [layer.training for layer in given.modules()] == [training] * len(list(given.modules()))
    assert all(parameter.requires_grad and parameter.grad is None for parameter in given.parameters())
    assert model is not given
    assert not same_weights(model, given)
    assert not any(layer.training for layer in model.modules())


def test_no_epochs_is_the_identity(train, make_run, same_weights):
    run = make_run()
    given = run.new_model()
    model, _ = train(model=given, run=run, epochs=0)
    assert same_weights(model, given)
    assert model is not given
    assert (run.ledger.steps, not model.training) == (0, True)


@pytest.mark.parametrize("batchnorm", ["train", "frozen"])
def test_no_learning_rate_moves_no_weight(train, make_run, batchnorm):
    run = make_run()
    given = run.new_model()
    model, _ = train(model=given, run=run, lr=0.0, batchnorm=batchnorm)
    for (name, one), other in zip(model.named_parameters(), given.parameters(), strict=True):
        assert torch.equal(one, other), name
    moved = not torch.equal(model.encoder[1].running_mean, given.encoder[1].running_mean)
    assert moved == (batchnorm == "train"), "batch statistics are no weights"


def test_frozen_batch_normalisation_keeps_its_statistics_and_still_learns(train, original):
    model, _ = train(model=original, batchnorm="frozen")
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        assert torch.equal(getattr(model.encoder[1], name), getattr(original.encoder[1], name))
    assert not torch.equal(model.encoder[1].weight, original.encoder[1].weight)


@pytest.mark.parametrize("batchnorm", ["train", "frozen"])
def test_looks_on_the_way_change_nothing(toy_tasks, make_run, original, train, same_weights, batchnorm):
    rows = []

    def looking(model, step, pass_ended):
        run.accuracy(model, toy_tasks["class"].test)
        return False

    run = make_run(log=lambda values, step: rows.append(values), task=toy_tasks["class"], trajectory_every=2)
    watched, _ = train(model=original, run=run, batchnorm=batchnorm, after_step=looking)
    alone, _ = train(model=original, run=make_run(), batchnorm=batchnorm)
    assert same_weights(watched, alone)
    assert sum("trajectory/forget_train_acc" in values for values in rows) == 5


def test_trajectories_name_the_splits_of_the_task(toy_tasks, make_run, original, hardware):
    from cu.engine.predict import accuracy

    for scenario, keys in (("class", {"forget_train", "retain_test", "forget_test", "val"}), ("sample", None)):
        rows, task = [], toy_tasks[scenario]
        run = make_run(log=lambda values, step, rows=rows: rows.append((values, step)), task=task, trajectory_every=3)
        for step in range(1, 8):
            run.checkpoint_trajectory(original, step)
        assert [step for _, step in rows] == [3, 6]
        keys = keys or {"forget_train", "retain_test", "val"}
        assert rows[0][0].keys() == {f"trajectory/{key}_acc" for key in keys}
        kept = task.test.subset(~torch.isin(task.test.labels, torch.tensor(task.forget_classes or [-1])))
        assert rows[0][0]["trajectory/retain_test_acc"] == accuracy(original, kept, hardware)


def test_clipping_bounds_the_step(train, make_run):
    settings = {"lr": 1.0, "momentum": 0.0, "weight_decay": 0.0, "epochs": 1, "batch_size": 144}

    def moved(**more):
        run = make_run()
        given = run.new_model()
        model, _ = train(model=given, run=run, **settings, **more)
        pairs = zip(model.parameters(), given.parameters(), strict=True)
        return sum((a - b).square().sum() for a, b in pairs).sqrt().item()

    assert moved(clip_norm=1e-2) == pytest.approx(1e-2, rel=1e-3)
    assert moved() > 0.1
    assert moved(clip_norm=1e3) == moved()


def test_samples_and_steps_are_counted_exactly(train):
    _, run = train(epochs=3, batch_size=32)
    assert run.ledger.samples == {"train": 3 * 144}
    assert run.ledger.steps == 3 * 5


def test_a_row_per_epoch(train, make_run):
    rows = []
    run = make_run(log=lambda values, step: rows.append((values, step)))
    losses = []

    def spied(model, batch):
        losses.append(cross_entropy(model, batch))
        return losses[-1]

    train(run=run, loss=spied, epochs=2, schedule="cosine", lr=0.1)
    assert [step for _, step in rows] == [5, 10]
    assert [values["epoch"] for values, _ in rows] == [1, 2]
    assert [values["lr"] for values, _ in rows] == pytest.approx([0.05, 0.0])
    means = torch.stack(losses).detach().view(2, 5).mean(1).tolist()
    assert [values["loss"] for values, _ in rows] == pytest.approx(means, rel=1e-5)


def test_a_stop_rule_ends_training_at_once(train, make_run):
    calls = []

    def stop(model, step, pass_ended):
        calls.append((step, pass_ended))
        return step == 7

    rows = []
    _, run = train(run=make_run(log=lambda values, step: rows.append(step)), after_step=stop, epochs=10)
    assert calls == [(step, step == 5) for step in range(1, 8)]
    assert run.ledger.steps == 7
    assert rows == [5, 7]


def test_passes_of_different_lengths_end_where_they_end(toy_data, make_run, make_recipe, make_model):
    class Growing:
        """1, 2 and 3 batches, of which none is the mean."""

        def __len__(self):
            return 2

        def length(self, index):
            return int(index) + 1

        def epoch(self, index):
            return islice(batches.epoch(index), self.length(index))

    ends, recipe, run = [], make_recipe(epochs=3), make_run()
    batches = run.batches(toy_data.train, recipe)

    def look(model, step, pass_ended):
        ends.extend([step] if pass_ended else [])
        return False

    fit(make_model(), Growing(), cross_entropy, recipe, run, after_step=look, state=())
    assert ends == [1, 3, 6]


def test_a_loss_that_is_not_a_number_is_a_divergence(train, make_run):
    def broken(model, batch):
        return cross_entropy(model, batch) * (math.nan if run.ledger.steps == 3 else 1)

    run = make_run()
    with pytest.raises(Diverged, match=r"loss became nan by step 5 \(epoch 1\)"):
        train(run=run, loss=broken)


def test_weights_that_are_not_numbers_are_a_divergence(train, make_run):
    def steep(model, batch):
        return model(batch.images).logits.mean() * 1e37

    with pytest.raises(Diverged, match="not finite"):
        train(run=make_run(), loss=steep, lr=1e30, epochs=1, batch_size=144, momentum=0.0)


def test_a_divergence_is_seen_within_an_epoch(train):
    with pytest.raises(Diverged, match="by step 20 "):
        train(loss=lambda model, batch: cross_entropy(model, batch) * math.nan, batch_size=4)


def test_dropout_is_reproducible_and_differs_between_seeds(train, make_run, make_model, same_weights):
    start = make_run().new_model()
    models = []
    for noise, seed in ((0, 0), (99, 0), (0, 1)):
        torch.manual_seed(noise)
        run = make_run(seed=seed, build=lambda: make_model(dropout=0.5))
        models.append(train(model=start if seed == 0 else deepcopy(start), run=run)[0])
    assert same_weights(models[0], models[1])
    assert not same_weights(models[0], models[2])


class Killed(BaseException):
    """The process is gone."""


class Disk:
    """Keeps bytes, as a file would; dies before or after the save at `until`: batches that are done, of epochs."""

    def __init__(self, until=None, before=False):
        self.bytes, self.until, self.before = None, until, before

    def load(self):
        return None if self.bytes is None else torch.load(io.BytesIO(self.bytes), weights_only=True)

    def save(self, state):
        last = (state["epoch"], state["batch"]) == self.until
        if last and self.before:
            raise Killed
        file = io.BytesIO()
        torch.save(state, file)
        self.bytes = file.getvalue()
        if last:
            raise Killed


@pytest.mark.parametrize("adamw", [False, True])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
@pytest.mark.parametrize(
    ("until", "before"), [((1, 0), False), ((2, 3), False), ((2, 4), True), ((0, 0), False), ((3, 4), False)]
)
def test_an_interrupted_training_ends_bit_identical(
    train, make_run, make_model, same_weights, tmp_path, schedule, adamw, until, before
):
    from cu.engine.recipe import AdamW

    optimizer = {"optimizer": AdamW(lr=0.01, betas=(0.9, 0.99), weight_decay=0.01)} if adamw else {}
    settings = {"schedule": schedule, "epochs": 4, "augment": True, **optimizer}

    def attempt(disk, rows):
        # Nothing of an earlier process is left but the disk.
        run = make_run(seed=4, build=lambda: make_model(dropout=0.3), log=rows.append)
        return train(run=run, checkpoint=disk, **settings)

    whole, undisturbed = attempt(Disk(), JsonLines(tmp_path / "whole.jsonl", keep=False))
    disk = Disk(until, before)
    with pytest.raises(Killed):
        attempt(disk, JsonLines(tmp_path / "rows.jsonl", keep=False))
    torch.manual_seed(123)
    disk.until = None
    resumed, run = attempt(disk, JsonLines(tmp_path / "rows.jsonl", keep=True))
    assert same_weights(resumed, whole)
    assert resumed.encoder[1].num_batches_tracked == 20
    assert (run.ledger.samples, run.ledger.steps) == (undisturbed.ledger.samples, 20)
    assert read_rows(tmp_path / "rows.jsonl") == read_rows(tmp_path / "whole.jsonl")


def test_evaluation_and_checkpoints_are_off_the_clock(train, make_run, hardware, toy_tasks):
    ticks = iter(range(10**6))
    clock_run = make_run(ledger=Ledger(hardware, lambda: next(ticks)))

    def seconds(run, **more):
        with run.ledger.running():
            train(run=run, **more)
        return run.ledger.seconds["unlearn"]

    plain = seconds(clock_run)
    ticks = iter(range(10**6))
    looked = make_run(ledger=Ledger(hardware, lambda: next(ticks)), task=toy_tasks["class"], trajectory_every=1)
    # A tick per reading: each pause adds one running stretch between two readings, and nothing for the look itself.
    # A look and a state per step, and what came of the whole.
    assert seconds(looked, checkpoint=Disk()) == plain + 21


def test_bf16_channels_last_gives_finite_weights_near_those_of_float32(train, make_run, hardware):
    half = Hardware(**{**vars(hardware), "precision": "bf16", "channels_last": True})
    models = [train(run=make_run(hardware=h), lr=0.01)[0] for h in (hardware, half)]
    exact, rounded = (torch.cat([p.detach().flatten() for p in model.parameters()]) for model in models)
    assert rounded.dtype == torch.float32
    assert rounded.isfinite().all()
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(rounded, exact, rtol=0.1, atol=0.02)


def test_channels_last_alone_changes_rounding_only(train, make_run, hardware):
    turned = Hardware(**{**vars(hardware), "channels_last": True})
    models = [train(run=make_run(hardware=h))[0] for h in (hardware, turned)]
    for one, other in zip(*(model.state_dict().values() for model in models), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
