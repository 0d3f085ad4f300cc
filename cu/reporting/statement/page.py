"""A statement as a page that prints on one sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cu.reporting.render.numbers import number
from cu.reporting.scales import SCALES, scale_of

MOST_LISTED = 40  # forgotten samples on the page; the JSON has all


def page(facts: Mapping[str, Any]) -> str:
    """The page as HTML, with its style inside; whatever comes from files and settings is escaped."""
    environment = Environment(
        loader=PackageLoader("cu.reporting.statement"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["shown"] = shown
    listed = facts["forgotten"]["files"] or facts["forgotten"]["ids"]
    return environment.get_template("statement.html").render(
        facts,
        listed=listed[:MOST_LISTED],
        more=max(0, len(listed) - MOST_LISTED),
        settings=flat(facts["method"]["settings"]),
    )


def shown(value: float | None, key: str) -> str:
    """A value of a metric in its scale, with its unit."""
    scale = SCALES[scale_of(key)]
    text = number(value, scale)
    return f"{text} {scale.unit}" if scale.unit and value is not None else text


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found
