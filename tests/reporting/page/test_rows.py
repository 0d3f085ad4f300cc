import math

import pytest

from cu.reporting.page.rows import Text, line, sort_key, split

NOTES = {"[1]": "why", "†": "looks", "≈": "equal"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("91.2 ± 0.3 (−0.4) ≈", ("91.2", "± 0.3", "(−0.4)", "≈")),
        ("91.2 (−0.4)", ("91.2", "", "(−0.4)", "")),
        ("12.3 ± 0.0", ("12.3", "± 0.0", "", "")),
        ("50.0, 1 of 2", ("50.0, 1 of 2", "", "", "")),
        ("n/a [1]", ("n/a", "", "", "[1]")),
        ("n/a [2]", ("n/a [2]", "", "", "")),
        ("— (failed 2/3)", ("—", "", "(failed 2/3)", "")),
        ("scrub (lr=0.1, steps=(1, 2)) †", ("scrub", "", "(lr=0.1, steps=(1, 2))", "†")),
        ("†", ("†", "", "", "")),
        ("", ("", "", "", "")),
    ],
)
def test_split(text, parts):
    found = split(text, NOTES)
    assert found == Text(main=parts[0], spread=parts[1], detail=parts[2], mark=parts[3])
    # Nothing is lost: the mark is the only thing that may stand elsewhere.
    assert " ".join(filter(None, parts)) == text


@pytest.mark.parametrize("value", [0.1 + 0.2, -1e-300, 12.0, math.inf, -math.inf])
def test_sort_keys_keep_every_digit(value):
    assert float(sort_key(value) or "nan") == value


def test_javascript_knows_no_inf():
    assert (sort_key(math.inf), sort_key(-math.inf), sort_key(math.nan)) == ("Infinity", "-Infinity", None)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("retrain", True),
        ("retrain (lr=1)", True),
        ("retrained (reference)", True),
        ("original (before)", True),
        ("original", True),
        ("resnet18 / retrain (lr=1)", True),
        ("resnet18 / noise floor", True),
        ("noise floor", False),
        ("resnet18 / finetune", False),
        ("retrain_fast", False),
        ("finetune", False),
    ],
)
def test_yardsticks_are_told_from_methods(make_row, label, expected):
    assert line(make_row(label, 1.0), {}).yardstick is expected


def test_published_values_belong_to_their_columns(make_row):
    cells = line(make_row("a", 1.0, 2.0, published=("0.9 (+0.1)", "")), {}).cells
    assert [cell.published for cell in cells] == ["0.9 (+0.1)", ""]
    assert [cell.published for cell in line(make_row("a", 1.0, 2.0), {}).cells] == ["", ""]


@pytest.mark.parametrize(("seeds", "count"), [("3/4 (failed 1)", "3"), ("2", "2"), ("", None)])
def test_rows_sort_by_the_seeds_that_finished(make_row, seeds, count):
    assert line(make_row("a", 1.0, seeds=seeds), {}).seed_count == count
