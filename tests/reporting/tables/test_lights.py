import math

import pytest

from cu.reporting.render.page.lights import floors_text, light_lines
from cu.reporting.tables.lights import QUESTIONS

KEYS = ("forget_test_acc", "retain_test_acc", "probe/fewshot10_forget_acc")
SIZES = {"retain": 10**6, "forget": 10**6, "val": 0, "test": 10**6, "test_forget": 10**6}


@pytest.fixture
def study(run_folders, make_metric, tables):
    """`({method: gaps of the three questions}, seeds=4, references=2) -> panel` of the one table."""

    def made(methods, seeds=4, references=2, spread=0.002):
        for method, gaps in methods.items():
            for seed in range(seeds):
                noise = 0.001 * (-1) ** seed
                metrics = {
                    key: make_metric(0.5 + gap + noise, 0.5, ref_std=spread, floor=0.004, original=0.9, images=10**6)
                    for key, gap in zip(KEYS, gaps, strict=True)
                }
                run_folders.add(metrics, method=method, seed=seed, references=references, split_sizes=SIZES)
        (table,) = tables(list(KEYS))
        return table.panel

    return made


def states(line):
    return [light.state for light in line.lights]


def test_each_question_has_its_light_and_lines_come_by_distance(study):
    panel = study(
        {"wrecked": (0.3, -0.2, 0.3), "hides": (0.0, 0.0, 0.3), "good": (0.0, 0.001, 0.0), "retrain": (0, 0, 0)}
    )
    assert [line.label.name for line in panel] == ["good", "hides", "wrecked"]  # a yardstick claims nothing
    assert [states(line) for line in panel] == [["like"] * 3, ["like", "like", "unlike"], ["unlike"] * 3]
    assert [light.question for light in panel[0].lights] == list(QUESTIONS)


def test_the_distance_is_the_mean_of_the_three_gaps_in_floors(study):
    (line,) = study({"one": (0.04, -0.08, 0.2)})
    assert line.distance == pytest.approx((0.04 + 0.08 + 0.2) / 0.004 / 3)


def test_a_gap_beyond_the_margin_within_the_spread_is_left_open(study):
    (line,) = study({"near": (0.0, 0.0095, 0.0)}, spread=0.02)
    assert states(line)[1] == "open"


@pytest.mark.parametrize(
    ("seeds", "references", "reason"), [(1, 2, "One seed"), (4, 1, "One retrained model")], ids=["seed", "reference"]
)
def test_one_seed_or_one_reference_gives_grey_lights_that_say_why(study, seeds, references, reason):
    (line,) = study({"far": (0.3, 0.3, 0.3)}, seeds, references)
    assert states(line) == ["none"] * 3
    assert all(light_lines(light)[0].startswith(reason) for light in line.lights)
    assert not any("p =" in text for light in line.lights for text in light_lines(light))


def test_a_light_tells_its_numbers_and_its_error_rate(study):
    (line,) = study({"far": (0.3, 0.0, 0.0)})
    words = " ".join(light_lines(line.lights[0]))
    for part in (
        "forget_test_acc: 80.0 %, retrained 50.0 %",
        "Gap +30.0, floor 0.4",
        "4 seeds, 2 retrained models each",
        "5 %",
    ):
        assert part in words


def test_what_was_not_measured_has_no_light(run_folders, make_metric, tables):
    run_folders.add({"forget_test_acc": make_metric(0.1, 0.0)}, seed=0)
    ((line,),) = (table.panel for table in tables(["forget_test_acc"]))
    assert [light.reason for light in line.lights][1:] == ["not measured"] * 2
    assert math.isnan(line.distance)
    assert floors_text(line.distance) == "n/a"
