import math

import pytest
import torch

from cu.losses.view_contrast import view_contrastive_loss


def make_views(count=6, dim=4, seed=0):
    source = torch.Generator().manual_seed(seed)
    return (torch.randn(count, dim, generator=source, dtype=torch.float64) for _ in range(2))


@pytest.mark.parametrize("count", [1, 2, 5, 16])
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_orthonormal_views_have_a_closed_form(count, temperature):
    views = torch.eye(16, dtype=torch.float64)[:count]
    expected = 2 * math.log(1 + (count - 1) * math.exp(-1 / temperature))
    assert view_contrastive_loss(views, views, temperature).item() == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_equals_a_loop():
    first, second = make_views()
    cosine = [[float(a @ b / (a.norm() * b.norm())) for b in second] for a in first]
    total = 0.0
    for i in range(6):
        row, column = [math.exp(cosine[i][j] / 0.3) for j in range(6)], [math.exp(cosine[j][i] / 0.3) for j in range(6)]
        total -= math.log(row[i] / sum(row)) / 6 + math.log(column[i] / sum(column)) / 6
    assert view_contrastive_loss(first, second, 0.3).item() == pytest.approx(total, rel=1e-12)


def test_length_does_not_matter_and_views_may_be_swapped():
    first, second = make_views()
    loss = view_contrastive_loss(first, second, 0.1)
    torch.testing.assert_close(view_contrastive_loss(7 * first, second / 9, 0.1), loss)
    torch.testing.assert_close(view_contrastive_loss(second, first, 0.1), loss)


def test_autocast_does_not_round_the_similarities():
    first, second = (x.float() for x in make_views(dim=64))
    with torch.autocast("cpu", torch.bfloat16):
        inside = view_contrastive_loss(first, second, 0.05)
    torch.testing.assert_close(inside, view_contrastive_loss(first, second, 0.05))
