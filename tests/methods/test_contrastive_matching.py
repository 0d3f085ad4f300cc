import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from cu.data.batches.accompanied import Accompanied
from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch
from cu.engine.predict import accuracy, predict
from cu.losses.discrepancy import weighted_mmd2
from cu.methods.contrastive_matching import ContrastiveMatching
from cu.methods.matching_distance import Depth, Distance, among_retained
from cu.methods.matching_target import balanced_weights, joined, label_margin, masked_shares


def matching(recipe, **settings):
    plain = {
        "forget_size": 16,
        "omega": 2,
        "match": "weighted",
        "distance": "mmd",
        "widths": (0.3, 1.0, 3.0),
        "relative": False,
        "embedding_share": 0.0,
        "feature_share": 0.0,
    }
    weights = {
        "embedding_weight": 5.0,
        "feature_weight": 1.0,
        "stage_weight": 0.0,
        "anchor_weight": 3.0,
        "denial_weight": 0.5,
        "stop_on": "never",
        "stop_every": 5,
    }
    return ContrastiveMatching(**{"recipe": recipe, **plain, **weights, **settings})


def between(targets):
    """Median squared distance of targets, pair by pair."""
    pairs = [(a - b).square().sum() for i, a in enumerate(targets) for b in targets[:i]]
    return torch.stack(pairs).detach().median()


def batch_of(split, count):
    chosen = torch.arange(count)
    return Batch(split.eval_view(chosen), split.labels[chosen], {split.name: count})


def test_masked_predictions_are_those_of_a_model_without_the_class():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    p = logits.softmax(1)[0].tolist()
    found = masked_shares(logits, (0, 2))[0].tolist()
    assert found == pytest.approx([0, p[1] / (p[1] + p[3]), 0, p[3] / (p[1] + p[3])])


def test_masking_is_exact_where_a_class_is_one_density_of_a_mixture():
    # Bayes with three normal densities at 0, 2 and 5: the prediction of a model that has only two of them.
    def density(x, at):
        return math.exp(-((x - at) ** 2) / 2)

    for x in (-1.0, 1.4, 3.0):
        logits = torch.tensor([[math.log(density(x, at)) for at in (0, 2, 5)]])
        two = density(x, 2) + density(x, 5)
        assert masked_shares(logits, (0,))[0].tolist() == pytest.approx([0, density(x, 2) / two, density(x, 5) / two])


def test_each_class_weighs_its_share_whatever_the_batch_has_of_it():
    shares, labels = torch.tensor([[0.0, 0.6, 0.4], [0.0, 0.2, 0.8]]), torch.tensor([1, 1, 1, 2])
    weights = balanced_weights(shares, labels)
    assert weights.tolist() == pytest.approx([0.4 / 3] * 3 + [0.6])
    assert balanced_weights(shares, torch.tensor([0, 0])).tolist() == pytest.approx([0.5, 0.5])
    assert balanced_weights(shares, torch.tensor([0, 1])).tolist() == pytest.approx([0, 1])


def test_joined_coordinates_of_a_hand_worked_case():
    y, logits, labels = torch.tensor([[3.0, 0], [-3.0, 0]]), torch.tensor([[2.0, 0], [0, 0]]), torch.tensor([0, 1])
    first, second = joined(torch.tensor([[6.0, 3.0]]), torch.tensor([[0.0, 4.0]]), torch.tensor([1]), y, logits, labels)
    # Length 3; margins 2 and 0, of standard deviation 1.
    assert second.tolist() == [[1, 0, 1, 0, 2], [-1, 0, 0, 1, 0]]
    assert first.tolist() == [[2, 1, 0, 1, 4]]
    p = torch.tensor([[1.0, 3.0, -2.0]]).softmax(1)[0, 1].item()
    assert label_margin(torch.tensor([[1.0, 3.0, -2.0]]), torch.tensor([1])).item() == pytest.approx(
        math.log(p / (1 - p)), rel=1e-5
    )


@pytest.mark.parametrize("scenario", ["class", "sample"])
def test_the_loss_is_the_weighted_sum(original, toy_tasks, make_run, make_recipe, scenario):
    task, student = toy_tasks[scenario], make_run().new_model().eval()
    forget, retain, unseen = batch_of(task.forget, 6), batch_of(task.retain, 9), batch_of(task.val, 8)
    method = matching(make_recipe(), embedding_weight=2.0, feature_weight=3.0, anchor_weight=0.5)
    batch = Accompanied(Pair(forget, retain), unseen if scenario == "sample" else None)
    found = method.loss(original.eval(), task.forget_classes, torch.Generator(), student, batch)

    lost, kept, other = (student(part.images) for part in (forget, retain, unseen))
    expected = F.cross_entropy(kept.logits, retain.labels)
    expected += 0.5 * (1 - (kept.embedding * original(retain.images).embedding).sum(1)).mean()
    target, labels = (kept, retain.labels) if scenario == "class" else (other, unseen.labels)
    if scenario == "class":
        p = original(forget.images).logits.softmax(1)
        p[:, 2] = 0
        shares = (p / p.sum(1, keepdim=True)).mean(0)
        expected -= 0.5 * (1 - lost.logits.softmax(1)[:, 2]).log().mean()
    else:
        shares = torch.bincount(forget.labels, minlength=4) / 6
    weights = (shares / torch.bincount(labels, minlength=4)).detach()[labels]
    for weight, x, y in ((2.0, lost.embedding, target.embedding), (3.0, lost.encoded, target.encoded)):
        if scenario == "sample":
            x, y = joined(x, lost.logits, forget.labels, y, target.logits, labels)
        expected += weight * weighted_mmd2(x, y, weights / weights.sum(), method.widths, between(y))
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("match", ["plain", "weighted", "per_class"])
def test_relative_distances_count_as_if_those_of_the_original_were_a_tenth(
    original, toy_tasks, make_run, make_recipe, match
):
    task, student = toy_tasks["class"], make_run().new_model().eval()
    batch = Accompanied(Pair(batch_of(task.forget, 6), batch_of(task.retain, 9)), None)

    def distance(model, **settings):
        weights = {"embedding_weight": 0.0, "feature_weight": 0.0, "anchor_weight": 0.0, "denial_weight": 0.0}
        method = matching(make_recipe(), match=match, **{**weights, **settings})
        found = method.loss(original.eval(), (2,), torch.Generator(), model, batch)
        return (found - F.cross_entropy(model(batch.pair.retain.images).logits, batch.pair.retain.labels)).item()

    for depth in ("embedding_weight", "feature_weight"):
        now, then = (distance(model, **{depth: 1.0}) for model in (student, original))
        assert distance(student, **{depth: 3.0}, relative=True) == pytest.approx(3 * now * 0.1 / then, rel=1e-3)
        share = {depth.replace("weight", "share"): 0.25}
        assert distance(student, **{depth: 3.0}, **share) == pytest.approx(3 * abs(now - then / 4), rel=1e-3)
        assert distance(original, **{depth: 3.0}, **share) == pytest.approx(3 * 0.75 * then, rel=1e-3)


def test_forget_samples_that_are_nearer_than_their_share_are_pushed_away():
    distance, source = Distance("plain", "mmd", (1.0,)), torch.Generator().manual_seed(0)
    y = torch.randn(50, 2, generator=source)
    shares, labels, far = torch.ones(50, 1), torch.zeros(50).long(), torch.tensor([2.0, 0.0])
    before = [Depth(1.0, 0.5, torch.cat([y + far, y]))]
    pulls = []
    for step in (0.1, 0.9):
        x = (y + step * far).requires_grad_()
        found = among_retained(distance, [Depth(1.0, 0.5, torch.cat([x, y]))], before, False, shares, labels, source)
        pulls.append(torch.autograd.grad(found, x)[0].mean(0)[0].item())
    assert pulls[0] < 0 < pulls[1], "descent goes against these: away from the targets, and to them"


def test_what_is_left_after_forgetting_is_the_share(original, toy_tasks, make_run, make_recipe, hardware):
    task = toy_tasks["class"]

    def apart(model):
        lost, kept = (predict(model, split, hardware).embedding for split in (task.forget, task.retain))
        return weighted_mmd2(lost, kept, torch.full((len(kept),), 1 / len(kept)), (0.3, 1.0, 3.0), between(kept)).item()

    found = []
    for share in (0.2, 0.6):
        recipe = make_recipe(lr=0.05, epochs=15, batch_size=64)
        weights = {"embedding_weight": 30.0, "feature_weight": 0.0, "anchor_weight": 1.0, "denial_weight": 0.0}
        method = matching(recipe, forget_size=64, match="plain", relative=True, embedding_share=share, **weights)
        found.append(apart(method.unlearn(original, task, make_run())) / apart(original))
    assert found == pytest.approx([0.2, 0.6], abs=0.1)


def test_a_class_that_is_like_the_targets_from_the_start_is_not_pushed_without_bound():
    distance, source = Distance("plain", "mmd", (1.0,)), torch.Generator().manual_seed(0)
    x, y = torch.randn(200, 2, generator=source), torch.randn(200, 2, generator=source)
    same = torch.cat([y, y])
    now, before = ([Depth(1.0, 0.0, there)] for there in (torch.cat([x, y]), same))
    shares, labels = torch.ones(200, 1), torch.zeros(200).long()
    found = among_retained(distance, now, before, True, shares, labels, source)
    even = torch.full((200,), 1 / 200)
    assert found.item() == pytest.approx(weighted_mmd2(x, y, even, (1.0,), between(y)).item() * 0.1 / 0.001, rel=1e-3)


def test_a_class_with_one_point_and_one_target_is_let_go_as_they_meet():
    # With a unit of their own the pull grows without bound as they come near, and training ends in NaN.
    y, source = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.Generator()
    labels = torch.tensor([1] + [0] * 19)
    pulls = []
    for apart in (1.0, 0.1, 0.01):
        x = (y[:1] + torch.tensor([[apart, 0, 0]])).requires_grad_()
        distance = Distance("per_class", "mmd", (0.3, 1.0))
        (pull,) = torch.autograd.grad(distance(x, torch.tensor([[0.0, 1.0]]), y, labels, source), x)
        pulls.append(pull.norm().item())
    assert pulls[0] > 3 * pulls[1] > 9 * pulls[2] > 0


def test_features_that_are_the_embedding_are_not_matched_twice(toy_tasks, make_run, make_model, make_recipe):
    run = make_run(build=lambda: make_model("linear"))
    model, task = run.new_model().eval(), toy_tasks["class"]
    batch = Accompanied(Pair(batch_of(task.forget, 6), batch_of(task.retain, 9)), None)
    once, twice = (
        matching(make_recipe(), feature_weight=w).loss(model, (2,), torch.Generator(), model, batch).item()
        for w in (0.0, 7.0)
    )
    assert once == twice


def test_an_embedding_that_is_the_features_has_their_share(toy_tasks, make_run, make_model, make_recipe):
    for head, share in (("linear", 0.4), ("projection", 0.1)):
        model = make_run(build=lambda head=head: make_model(head)).new_model().eval()
        method = matching(make_recipe(), embedding_share=0.1, feature_share=0.4)
        depths = method.seen(model, torch.zeros(2, 1, 6, 6), None)[1]
        assert depths[0].share == share
        assert [depth.share for depth in depths[1:]] == ([] if head == "linear" else [0.4])


def test_every_earlier_block_is_matched_by_its_pooled_output(original, toy_tasks, make_recipe):
    task, model = toy_tasks["class"], original.eval()
    forget, retain = batch_of(task.forget, 6), batch_of(task.retain, 9)
    only = {
        "embedding_weight": 0.0,
        "feature_weight": 0.0,
        "anchor_weight": 0.0,
        "denial_weight": 0.0,
        "match": "plain",
    }
    found, without = (
        matching(make_recipe(), **only, stage_weight=w).loss(
            model, (2,), torch.Generator(), model, Accompanied(Pair(forget, retain), None)
        )
        for w in (3.0, 0.0)
    )
    seen, blocks = (
        torch.cat([forget.images, retain.images]),
        [b for b in model.encoder.children() if len(list(b.parameters()))],
    )
    distances, even = [], torch.full((9,), 1 / 9)
    for block in model.encoder.children():
        seen = block(seen)
        if block in blocks[:-1]:
            means = seen.flatten(2).mean(2)
            distances.append(weighted_mmd2(means[:6], means[6:], even, (0.3, 1.0, 3.0), between(means[6:])).item())
    assert len(distances) > 0
    assert (found - without).item() == pytest.approx(3.0 * sum(distances) / len(distances), rel=1e-4)


def test_the_target_is_a_constant(original, toy_tasks, make_recipe):
    task = toy_tasks["class"]
    batch = Accompanied(Pair(batch_of(task.forget, 6), batch_of(task.retain, 9)), None)
    images = batch.pair.retain.images.requires_grad_()
    method, source = matching(make_recipe(), anchor_weight=0.0), torch.Generator()
    original.eval()
    (both,) = torch.autograd.grad(method.loss(original, (2,), source, original, batch), images)
    loss = F.cross_entropy(original(images).logits, batch.pair.retain.labels)
    (alone,) = torch.autograd.grad(loss, images)
    torch.testing.assert_close(both, alone)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"match": "plain"},
        {"match": "per_class", "embedding_weight": 1.0, "feature_weight": 0.2},
        {"distance": "sliced_wasserstein", "embedding_weight": 20.0, "anchor_weight": 0.0},
        {"distance": "adversarial_probe", "stage_weight": 1.0},
    ],
)
def test_a_class_is_forgotten_and_the_others_are_not(original, toy_tasks, make_run, make_recipe, hardware, settings):
    task = toy_tasks["class"]
    recipe = make_recipe(lr=0.05, epochs=8, batch_size=32)
    model = matching(recipe, **settings).unlearn(original, task, make_run())
    assert accuracy(model, task.forget, hardware) < 0.3
    assert accuracy(model, task.retain, hardware) > 0.85


def test_forget_samples_come_to_lie_like_held_out_ones_of_their_label(
    original, toy_tasks, make_run, make_recipe, hardware
):
    """Wrong labels: the joint distribution with the label is far from that of held-out samples at first."""
    task = toy_tasks["sample"]
    task = replace(task, forget=task.forget.relabelled((task.forget.labels + 1) % 4))

    def apart(model):
        lost, unseen = (predict(model, split, hardware) for split in (task.forget, task.val))
        sides = joined(
            lost.embedding, lost.logits, task.forget.labels, unseen.embedding, unseen.logits, task.val.labels
        )
        shares = F.one_hot(task.forget.labels, 4).float()
        return weighted_mmd2(
            *sides, balanced_weights(shares, task.val.labels), (0.3, 1.0, 3.0), between(sides[1])
        ).item()

    recipe = make_recipe(lr=0.05, epochs=10, batch_size=32)
    model = matching(recipe, embedding_weight=2.0).unlearn(original, task, make_run())
    assert apart(model) < 0.7 * apart(original)
    assert accuracy(model, task.retain, hardware) > 0.8


def test_it_stops_at_a_level_that_is_estimated_without_retraining(original, toy_tasks, make_run, make_recipe):
    task, rows = toy_tasks["class"], []
    run = make_run(log=lambda values, step: rows.append(values))
    method = matching(make_recipe(lr=0.05, epochs=40, batch_size=32), stop_on="val", stop_every=2)
    method.unlearn(original, task, run)
    looks = [row for row in rows if "stop/features_probe" in row]
    below = [all(row[f"stop/{d}_probe"] <= row[f"stop/{d}_level"] for d in ("embedding", "features")) for row in looks]
    assert below == [False] * (len(looks) - 1) + [True]


def test_looks_rarer_than_steps_are_taken_at_the_end_of_each_pass(original, toy_tasks, make_run, make_recipe):
    task, rows = toy_tasks["class"], []
    run = make_run(log=lambda values, step: rows.append((step, values)))
    method = matching(make_recipe(lr=1e-6, epochs=2, batch_size=32), stop_on="val", stop_every=1000)
    method.unlearn(original, task, run)
    looks = [step for step, values in rows if "stop/features_probe" in values]
    assert looks[0] == math.ceil(len(task.forget) / method.forget_size) * method.omega
    assert len(looks) == 2 or run.ledger.steps == looks[0]


@pytest.mark.parametrize(("open_depths", "matched"), [({"features"}, True), (set(), False)])
def test_an_embedding_that_is_the_features_is_matched_to_their_level(
    make_run, make_model, make_recipe, open_depths, matched
):
    class Watching:
        open = open_depths

    model = make_run(build=lambda: make_model("linear")).new_model().eval()
    output, depths = matching(make_recipe()).seen(model, torch.zeros(2, 1, 6, 6), Watching())  # type: ignore[arg-type]
    assert [(d.weight, d.there is output.embedding) for d in depths] == ([(5.0, True)] if matched else [])
