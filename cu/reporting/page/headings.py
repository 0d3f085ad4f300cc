"""A column's heading, with its direction in words."""

from __future__ import annotations

import re
from dataclasses import dataclass

DIRECTIONS = {
    "→ref": ("→", "match retrained"),
    "↑": ("↑", "higher is better"),
    "↓": ("↓", "lower is better"),
}
_PARTS = re.compile(r"(?P<title>.*?)(?: \[(?P<unit>[^\]]+)\])?(?: (?P<arrow>→ref|↑|↓))?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading taken apart; `arrow` and `direction` are empty where no run says what is better."""

    title: str
    unit: str
    arrow: str
    direction: str


def heading(text: str) -> Heading:
    """The parts of a table's heading, such as "time [s] ↓"."""
    match = _PARTS.fullmatch(text)
    title, unit, mark = match.group("title", "unit", "arrow") if match else (text, None, None)
    arrow, direction = DIRECTIONS.get(mark or "", ("", ""))
    return Heading(title=title, unit=unit or "", arrow=arrow, direction=direction)
