import math

import pytest
import torch

from cu.losses.contrastive import contrastive_unlearning_loss

# name: (classes of the anchors, classes of the remaining samples)
BATCHES = {
    "balanced": ([0, 1, 2, 3] * 3, [0, 1, 2, 3] * 4),
    "unbalanced": ([0] * 7 + [1, 2], [0] + [1] * 9 + [2] * 3 + [3] * 2),
    "single anchor class": ([2] * 6, [0, 1, 2, 2, 3, 1, 0]),
    "single class": ([1] * 4, [1] * 5),
    "no positive": ([5] * 6, [0, 1, 2, 3, 4, 6, 7]),
    "no negative": ([3], [3, 3, 3]),
    "one positive": ([0, 0], [0, 1]),
    "mixed": ([0, 5, 1, 6, 2, 0], [0, 0, 1, 2, 2, 3]),
    "no negative beside no positive": ([4, 7], [4, 4, 4]),
}


def make_batch(name, *, dtype=torch.float64, scale=1.0, dim=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    anchor_labels, remain_labels = (torch.tensor(labels) for labels in BATCHES[name])
    anchors = scale * torch.randn(len(anchor_labels), dim, generator=generator, dtype=dtype)
    remain = scale * torch.randn(len(remain_labels), dim, generator=generator, dtype=dtype)
    return anchors.requires_grad_(), anchor_labels, remain.requires_grad_(), remain_labels


def equations(anchors, anchor_labels, remain, remain_labels, temperature):
    """Equations 5 and 6, one logarithm of one quotient at a time."""
    total = 0.0
    for z_i, y_i in zip(anchors.tolist(), anchor_labels.tolist(), strict=True):
        pairs = list(zip(remain.tolist(), remain_labels.tolist(), strict=True))
        exponential = [math.exp(sum(a * b for a, b in zip(z_i, z, strict=True)) / temperature) for z, _ in pairs]
        positives = [e for e, (_, y) in zip(exponential, pairs, strict=True) if y == y_i]
        negatives = [e for e, (_, y) in zip(exponential, pairs, strict=True) if y != y_i]
        denominator = sum(positives) if positives else len(negatives)
        for e in negatives:
            total += -math.log(e / denominator) / len(negatives)
    return total


def gradients(loss, *inputs):
    return torch.autograd.grad(loss, inputs)


@pytest.mark.parametrize("temperature", [0.07, 0.7, 3.0])
@pytest.mark.parametrize("name", BATCHES)
def test_equals_the_equations(name, temperature):
    batch = make_batch(name, scale=0.6)
    assert contrastive_unlearning_loss(*batch, temperature).item() == pytest.approx(
        equations(*batch, temperature), rel=1e-12, abs=1e-9
    )


@pytest.mark.parametrize("seed", range(20))
def test_equals_the_equations_on_random_labels(seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, 12, (2,), generator=generator).tolist()
    anchor_labels, remain_labels = (torch.randint(0, 4, (size,), generator=generator) for size in sizes)
    anchors, remain = (torch.randn(size, 3, generator=generator, dtype=torch.float64) for size in sizes)
    batch = (anchors, anchor_labels, remain, remain_labels)
    assert contrastive_unlearning_loss(*batch, 0.4).item() == pytest.approx(equations(*batch, 0.4), rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
def test_equals_the_equations_on_coinciding_and_opposite_embeddings(sign):
    direction = torch.nn.functional.normalize(torch.ones(1, 4, dtype=torch.float64))
    batch = (direction.repeat(3, 1), torch.tensor([0, 1, 9]), sign * direction.repeat(4, 1), torch.tensor([0, 0, 1, 2]))
    assert contrastive_unlearning_loss(*batch, 0.01).item() == pytest.approx(equations(*batch, 0.01), abs=1e-9)


def test_hand_worked_batch():
    anchors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    remain = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]], dtype=torch.float64)
    labels, remain_labels = torch.tensor([0, 1, 9]), torch.tensor([0, 1, 0])
    first = math.log(math.exp(4) + math.exp(6)) - 0
    second = 2 - 0
    third = math.log(3) - (4 + 2 + 6) / 3
    loss = contrastive_unlearning_loss(anchors, labels, remain, remain_labels, 0.5)
    assert loss.item() == pytest.approx(first + second + third, abs=1e-12)


@pytest.mark.parametrize("push_weight", ["equation", "released"])
@pytest.mark.parametrize("name", BATCHES)
def test_gradcheck(name, push_weight):
    anchors, anchor_labels, remain, remain_labels = make_batch(name, dim=3)
    assert torch.autograd.gradcheck(
        lambda a, r: contrastive_unlearning_loss(a, anchor_labels, r, remain_labels, 0.5, push_weight=push_weight),
        (anchors, remain),
    )


@pytest.mark.parametrize("push_weight", ["equation", "released"])
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("name", BATCHES)
def test_finite_in_float32_at_extreme_similarities(name, scale, push_weight):
    batch = make_batch(name, dtype=torch.float32, scale=scale)
    with torch.autograd.set_detect_anomaly(True):  # no step of the way back may produce NaN, used or not
        loss = contrastive_unlearning_loss(*batch, 0.01, push_weight=push_weight)
        results = gradients(loss, batch[0], batch[2])
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    for gradient in results:
        assert gradient.isfinite().all()


@pytest.mark.parametrize("push_weight", ["equation", "released"])
@pytest.mark.parametrize("name", BATCHES)
def test_float32_agrees_with_float64(name, push_weight):
    exact = make_batch(name)
    rounded = tuple(t.detach().float().requires_grad_() if t.is_floating_point() else t for t in exact)
    results = []
    for batch in (exact, rounded):
        loss = contrastive_unlearning_loss(*batch, 0.7, push_weight=push_weight)
        results.append((loss, *gradients(loss, batch[0], batch[2])))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(b.double(), a, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize(("num_anchors", "num_remain"), [(0, 4), (3, 0), (0, 0)])
def test_empty_batches_give_zero(num_anchors, num_remain, reduction):
    anchors = torch.ones(num_anchors, 2, requires_grad=True)
    remain = torch.ones(num_remain, 2, requires_grad=True)
    loss = contrastive_unlearning_loss(
        anchors, torch.arange(num_anchors), remain, torch.arange(num_remain), 0.5, reduction=reduction
    )
    assert loss.item() == 0
    for gradient in gradients(loss, anchors, remain):
        assert gradient.isfinite().all()


def test_anchor_without_another_class_contributes_nothing():
    anchors, _, remain, _ = make_batch("no negative")
    loss = contrastive_unlearning_loss(anchors, torch.tensor([3]), remain, torch.tensor([3, 3, 3]), 0.1)
    assert loss.item() == 0
    for gradient in gradients(loss, anchors, remain):
        assert (gradient == 0).all()


def test_a_forgotten_class_is_pulled_by_the_mean_similarity_alone():
    anchors, anchor_labels, remain, remain_labels = make_batch("no positive")
    loss = contrastive_unlearning_loss(anchors, anchor_labels, remain, remain_labels, 0.7)
    mean_similarity = sum(-(a @ r) / 0.7 / len(remain) for a in anchors for r in remain)
    assert loss.item() == pytest.approx(mean_similarity.item() + len(anchors) * math.log(len(remain)))
    for ours, expected in zip(
        gradients(loss, anchors, remain), gradients(mean_similarity, anchors, remain), strict=True
    ):
        torch.testing.assert_close(ours, expected)


def released(anchors, anchor_labels, remain, remain_labels, temperature):
    """The released computation, row by row: minus the sum over all columns, over |N|; then the mean over anchors."""
    rows = []
    for z, label in zip(anchors, anchor_labels, strict=True):
        similarity = remain @ z / temperature
        similarity = similarity - similarity.max().detach()
        positive = similarity[remain_labels == label].exp().sum() if (remain_labels == label).any() else torch.ones(())
        kept = [s if y != label else torch.zeros_like(s) for s, y in zip(similarity, remain_labels, strict=True)]
        rows.append(-sum(s - positive.log() for s in kept) / (remain_labels != label).sum())
    return torch.stack(rows).mean()


@pytest.mark.parametrize("name", ["balanced", "unbalanced", "single anchor class", "no positive", "mixed"])
def test_released_weight_and_mean_have_the_released_gradients(name):
    anchors, _, remain, _ = batch = make_batch(name)
    ours = contrastive_unlearning_loss(*batch, 0.7, reduction="mean", push_weight="released")
    for gradient, expected in zip(
        gradients(ours, anchors, remain), gradients(released(*batch, 0.7), anchors, remain), strict=True
    ):
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-9)


def test_released_weight_is_batch_size_over_number_of_others():
    anchors, anchor_labels, remain, remain_labels = batch = make_batch("balanced")
    similarity = anchors @ remain.T / 0.7
    expected = 0.0
    for row, label in zip(similarity, anchor_labels, strict=True):
        other = remain_labels != label
        push = row[~other].exp().sum().log()
        expected += -(row[other].sum() - len(remain) * push).item() / int(other.sum())
    loss = contrastive_unlearning_loss(*batch, 0.7, push_weight="released")
    assert loss.item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", BATCHES)
def test_mean_is_sum_over_anchors(name):
    batch = make_batch(name)
    total, mean = (contrastive_unlearning_loss(*batch, 0.7, reduction=r) for r in ("sum", "mean"))
    assert mean.item() == pytest.approx(total.item() / len(batch[0]))


@pytest.mark.parametrize("name", BATCHES)
def test_order_and_names_of_classes_do_not_matter(name):
    anchors, anchor_labels, remain, remain_labels = batch = make_batch(name)
    generator = torch.Generator().manual_seed(1)
    rows, columns = (torch.randperm(len(batch[i]), generator=generator) for i in (0, 2))
    shuffled = contrastive_unlearning_loss(
        anchors[rows], 40 - 3 * anchor_labels[rows], remain[columns], 40 - 3 * remain_labels[columns], 0.7
    )
    assert shuffled.item() == pytest.approx(contrastive_unlearning_loss(*batch, 0.7).item(), abs=1e-9)


def test_a_step_pushes_away_from_the_own_class_and_pulls_towards_the_others():
    anchors, anchor_labels, remain, remain_labels = batch = make_batch("mixed")
    contrastive_unlearning_loss(*batch, 0.7).backward()
    moved = anchors.detach() - 1e-3 * anchors.grad
    before, after = anchors.detach() @ remain.detach().T, moved @ remain.detach().T
    gap = []
    for similarity in (before, after):
        row, same = similarity[0] / 0.7, remain_labels == anchor_labels[0]
        gap.append((row[same].logsumexp(0) - row[~same].mean()).item())
    assert gap[1] < gap[0]
    assert remain.grad.abs().sum() > 0


def test_autocast_does_not_round_the_similarities():
    batch = make_batch("balanced", dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = contrastive_unlearning_loss(*batch, 0.01)
    assert inside.item() == contrastive_unlearning_loss(*batch, 0.01).item()
