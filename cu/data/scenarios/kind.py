"""The two kinds of unlearning."""

from __future__ import annotations

from typing import Literal

ScenarioKind = Literal["class", "sample"]
