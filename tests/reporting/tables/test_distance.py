import pytest

KEYS = ["forget_test_acc", "retain_test_acc", {"key": "agg/distance_in_floors", "title": "distance"}]


@pytest.fixture
def rows(run_folders, make_metric, tables):
    """`({method: [(gap, gap) per seed]}, floors) -> the cells of the one table, by method`."""

    def made(methods, floors=(0.02, 0.01), images=10**6, columns=KEYS):
        for method, gaps in methods.items():
            for seed, pair in enumerate(gaps):
                metrics = {
                    key: make_metric(0.5 + gap, 0.5, ref_std=0.002, floor=floor)
                    for key, gap, floor in zip(KEYS[:2], pair, floors, strict=True)
                }
                metrics["eff/unlearn_seconds"] = make_metric(3.0, 9.0, direction="lower")
                sizes = dict.fromkeys(("retain", "forget", "val", "test_forget"), images) | {"test": 2 * images}
                run_folders.add(metrics, method=method, seed=seed, references=2, split_sizes=sizes)
        (table,) = tables(columns)
        return {row.label.name: row.cells for row in table.rows}, table

    return made


def test_the_distance_is_the_mean_over_columns_of_the_gap_in_floors_on_either_side(rows):
    # Seeds: (0.04 / 0.02 + 0.01 / 0.01) / 2 = 1.5 and (0.02 / 0.02 + 0.03 / 0.01) / 2 = 2.
    cells, table = rows({"one": [(0.04, -0.01), (-0.02, 0.03)], "retrain": [(0.0, 0.0)] * 2})
    assert cells["one"][2].value == pytest.approx(1.75)
    assert cells["one"][2].std == pytest.approx(0.5 / 2**0.5)
    assert cells["retrain"][2].value == 0
    assert table.headings[2].direction == "lower"


def test_costs_take_no_part_in_it(rows):
    cells, _ = rows({"one": [(0.04, -0.01), (-0.02, 0.03)]}, columns=[*KEYS, "eff/unlearn_seconds"])
    assert cells["one"][2].value == pytest.approx(1.75)


def test_a_floor_below_one_image_is_one_image(rows):
    cells, _ = rows({"one": [(0.1, 0.1), (0.1, 0.1)]}, floors=(0.0, 0.0), images=100)
    assert cells["one"][2].value == pytest.approx(10)


def test_a_row_that_lacks_a_gap_in_a_column_has_no_distance(run_folders, make_metric, tables):
    known = make_metric(0.6, 0.5, ref_std=0.002, floor=0.01)
    lost = {**known, "value": None, "gap": None, "status": "undefined"}
    for seed in range(2):
        run_folders.add({"forget_test_acc": known, "retain_test_acc": lost}, method="one", seed=seed, references=2)
        run_folders.add({"forget_test_acc": known, "retain_test_acc": known}, method="two", seed=seed, references=2)
    (table,) = tables(KEYS)
    cells = {row.label.name: row.cells[2].value for row in table.rows}
    assert cells["one"] != cells["one"]
    assert cells["two"] > 0


def test_without_a_floor_there_is_no_distance_and_the_reason_is_told(rows):
    cells, table = rows({"one": [(0.1, 0.1), (0.1, 0.1)]}, floors=(float("nan"), 0.01))
    assert cells["one"][2].value != cells["one"][2].value
    assert any("no gap or floor of forget_test_acc" in note.text for note in table.notes)
