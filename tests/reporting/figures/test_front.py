import numpy as np
import pytest

from cu.reporting.figures.front import pareto


def naive_front(points):
    """Positions that no other point beats: at least as good in both, better in one."""
    return {i for i, p in enumerate(points) if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points)}


@pytest.mark.parametrize("seed", range(20))
def test_front_equals_a_naive_search(seed):
    rng = np.random.default_rng(seed)
    points = [(float(x), float(y)) for x, y in rng.integers(0, 6, size=(rng.integers(1, 12), 2))]
    front = pareto(points)
    assert set(front) == naive_front(points)
    assert [points[i] for i in front] == sorted(points[i] for i in front)


def test_no_points_no_front():
    assert pareto([]) == []


def test_points_are_mean_gaps_in_points(filled):
    drawing = filled.drawing("front")
    data = drawing.data.set_index("model")
    # Values 0.60 and 0.61 against 0.5; 0.90 and 0.91; the original has 0.9.
    assert data["x"].to_dict() == pytest.approx({"contrastive": 10.5, "finetune": 40.5, "original": 40.0})
    assert data["y"].to_dict() == pytest.approx(data["x"].to_dict())
    assert data["on_front"].to_dict() == {"contrastive": True, "finetune": False, "original": False}
    assert data["x_floor"].tolist() == pytest.approx([10] * 3)
    # Two values 0.01 apart: t(0.975, 1) * std / sqrt(2) = 12.706 * 0.01 / 2.
    assert data.loc["contrastive", "x_ci95"] == pytest.approx(6.353, abs=1e-3)
    assert "contrastive (10.5, 10.5)" in drawing.alt
    assert drawing.data["y_key"].unique().tolist() == ["probe/fewshot10_forget_acc"]
