import math

import pytest
import torch

from cu.losses.supervised_contrast import supervised_contrastive_loss


def naive(rows, labels, temperature):
    def similarity(a, b):
        return sum(p * q for p, q in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b)) / temperature

    losses = []
    for i, own in enumerate(labels):
        same = [p for p, label in enumerate(labels) if label == own and p != i]
        total = math.log(sum(math.exp(similarity(rows[i], rows[a])) for a in range(len(rows)) if a != i))
        if same:
            losses.append(-sum(similarity(rows[i], rows[p]) - total for p in same) / len(same))
    return sum(losses) / len(losses)


def test_it_is_the_equation():
    source = torch.Generator().manual_seed(0)
    rows, labels = torch.randn(7, 3, generator=source, dtype=torch.float64), torch.tensor([0, 1, 0, 2, 1, 0, 3])
    found = supervised_contrastive_loss(rows, labels, 0.3).item()
    assert found == pytest.approx(naive(rows.tolist(), labels.tolist(), 0.3))


@pytest.mark.parametrize("labels", [[0], [0, 1, 2]])
def test_nothing_to_draw_together_costs_nothing(labels):
    rows = torch.ones(len(labels), 2).requires_grad_()
    loss = supervised_contrastive_loss(rows, torch.tensor(labels), 0.1)
    loss.backward()
    assert loss.item() == 0
    assert rows.grad.isfinite().all()
