import pytest

from cu.reporting.page.headings import heading
from cu.reporting.tables import _ARROWS


@pytest.mark.parametrize(
    ("text", "title", "unit", "direction"),
    [
        ("forget train acc [%] →ref", "forget train acc", "%", "match retrained"),
        ("time [s] ↓", "time", "s", "lower is better"),
        ("agg/tow ↑", "agg/tow", "", "higher is better"),
        ("nowhere", "nowhere", "", ""),
        ("a [b] c [%]", "a [b] c", "%", ""),
        ("", "", "", ""),
    ],
)
def test_heading(text, title, unit, direction):
    parts = heading(text)
    assert (parts.title, parts.unit, parts.direction) == (title, unit, direction)


def test_every_direction_of_a_table_has_words():
    assert all(heading(f"key {arrow}").direction for arrow in _ARROWS.values())
