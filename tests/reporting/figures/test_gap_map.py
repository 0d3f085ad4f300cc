import math

import pytest

from cu.reporting.figures.gap_map import ratio, written


def test_cells_are_gaps_in_floors(filled):
    drawing = filled.drawing("gap_map")
    table = drawing.data.pivot(index="metric", columns="model", values="gap_in_floors")
    assert table.columns.tolist() == ["contrastive", "finetune", "retrained"]
    assert drawing.data["model"].iloc[0] == "retrained"
    assert table["retrained"].tolist() == [1.0] * len(table)
    # 0.605 - 0.5 and 0.905 - 0.5 in floors of 0.1.
    assert table["contrastive"].to_numpy() == pytest.approx([1.05] * len(table))
    assert table["finetune"].to_numpy() == pytest.approx([4.05] * len(table))
    assert f"finetune: 0 of {len(table)} within ±1" in drawing.alt


@pytest.mark.parametrize(
    ("distance", "floor", "side", "expected"),
    [(0.2, 0.1, 0.01, 2.0), (0.2, 0.1, -0.2, -2.0), (0, 0, 0, 0), (0.1, 0, 1, math.inf), (0.1, 0, -1, -math.inf)],
)
def test_ratio(distance, floor, side, expected):
    assert ratio(distance, floor, side) == pytest.approx(expected)
    assert math.isnan(ratio(math.nan, floor, side))
    assert math.isnan(ratio(distance, math.nan, side))


def test_gaps_to_both_sides_do_not_cancel(study):
    for seed, gap in enumerate((0.3, -0.1)):
        study.add("finetune", seed, 0.5, metrics={"forget_train_acc": study.metric(0.5 + gap, 0.5, floor=0.1)})
    data = study.drawing("gap_map").data
    assert data.loc[data["model"] == "finetune", "gap_in_floors"].tolist() == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.04, "0"),
        (-0.04, "0"),
        (1.25, "1.2"),
        (-3.0, "−3.0"),
        (12.4, "12"),
        (99.4, "99"),
        (250, ">99"),
        (-250, "<−99"),
    ],
)
def test_written(value, text):
    assert written(value) == text


def test_extremes_are_written():
    assert [written(v) for v in (math.inf, -math.inf, math.nan)] == ["∞", "−∞", ""]


def test_one_retrained_model_gives_no_floor_and_a_note(study):
    study.add("contrastive", 0, 0.6, metrics={"forget_train_acc": study.metric(0.1, 0.2)})
    figures, (note,) = study.build("gap_map")
    assert figures == []
    assert "reference.k=2" in note
