"""SVG documents as parts of a page.

Inline, not as images: text can be selected and found, and ink that is `currentColor` follows the page into dark mode.
What would reach beyond a drawing stays behind: its style sheets, scripts and links, and ids that others have too. The
markup is about half as long as the document: hundredths of a point are enough, and ids that nothing refers to go.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from xml.etree import ElementTree

_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_UNWANTED = {"script", "style", "metadata", "foreignObject", "title"}
_REFERRED = re.compile(r"#([\w.-]+)")
_COORDINATES = {"d", "x", "y", "points", "viewBox"}
_DIGITS = re.compile(r"-?\d+\.\d{3,}")
_PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "in": 96.0, "mm": 96 / 25.4, "cm": 96 / 2.54}
OWNER = "model-"  # ids that begin so become data-model="...": what a reader chooses to see


@dataclass(frozen=True, kw_only=True)
class Inline:
    """Markup to stand in a page, and its size in CSS pixels."""

    markup: str
    width: int
    height: int


def inline(svg: str, prefix: str, alt: str, owner: str | None = None, later: Collection[str] = ()) -> Inline:
    """An SVG document as part of a page.

    Args:
        svg: The document.
        prefix: Put before every id in it.
        alt: What it shows, for those who cannot see it; empty if a text beside it says so.
        owner: The model that it is of; empty for the legend of several, None if readers cannot choose.
        later: Models that are not shown until somebody chooses them.

    Raises:
        ValueError: It is no SVG document, or does not say how large it is.
    """
    try:
        root = ElementTree.fromstring(svg.encode())
    except ElementTree.ParseError as error:
        raise ValueError(f"not an SVG document: {error}") from error
    width, height = (round(side) for side in _size(root))
    _clean(root, prefix, set(_REFERRED.findall(svg)))
    root.attrib.update({"role": "img", "aria-label": alt} if alt else {"aria-hidden": "true"})
    root.attrib.update({"width": str(width), "height": str(height)})
    if owner is not None:
        root.set(*("data-model", owner) if owner else ("class", "legend"))
    for element in root.iter():
        if element.get("data-model") in later:
            element.set("class", "later")
    root.attrib.setdefault("viewBox", f"0 0 {width} {height}")
    return Inline(markup=ElementTree.tostring(root, encoding="unicode"), width=width, height=height)


def _size(root: ElementTree.Element) -> tuple[float, float]:
    width, height = (_length(root.get(side, "")) for side in ("width", "height"))
    box = root.get("viewBox", "").replace(",", " ").split()
    if width and height:
        return width, height
    if len(box) == 4:
        return float(box[2]), float(box[3])
    raise ValueError("an SVG document without width, height and viewBox")


def _length(text: str) -> float | None:
    match = re.fullmatch(r"([\d.]+)([a-z]*)", text.strip())
    return float(match[1]) * _PIXELS[match[2]] if match and match[2] in _PIXELS else None


def _clean(element: ElementTree.Element, prefix: str, kept_ids: set[str]) -> None:
    element.tag = element.tag.removeprefix(_SVG)
    kept = (_attribute(name.removeprefix(_XLINK), value, prefix, kept_ids) for name, value in element.attrib.items())
    element.attrib = dict(pair for pair in kept if pair)
    if element.tag not in ("text", "tspan"):
        element.text = (element.text or "").strip()
        element.tail = (element.tail or "").strip()
    for child in list(element):
        # Comments have no text as tag; elements of other namespaces keep theirs.
        if not isinstance(child.tag, str) or not child.tag.startswith(_SVG) or child.tag[len(_SVG) :] in _UNWANTED:
            element.remove(child)
        else:
            _clean(child, prefix, kept_ids)
    _gather(element)


def _gather(element: ElementTree.Element) -> None:
    """Put points that matplotlib wraps one by one into one group, and say once how they look."""
    last, children = None, list(element)
    for child in children:
        style = child[0].get("style", "") if child.tag == "g" and len(child) == 1 and child[0].tag == "use" else None
        # An opacity of its own is the only property here that a group does not hand down.
        if style is None or "style" in child.attrib or re.search(r"(?<!-)opacity", style):
            last = None
            continue
        point, wrapped = child[0], {**child.attrib, "style": style}
        point.attrib.pop("style", None)
        if last is not None and last.attrib == wrapped:
            last.append(point)
            element.remove(child)
        else:
            child.attrib, last = wrapped, child


def _attribute(name: str, value: str, prefix: str, kept_ids: set[str]) -> tuple[str, str] | None:
    if name == "href":
        kept = f"#{prefix}{value[1:]}" if value.startswith("#") else value if value.startswith("data:image/") else None
        return ("href", kept) if kept else None
    if name.startswith(("{", "on")):
        return None
    if name == "id":
        if value.startswith(OWNER):
            return "data-model", value.removeprefix(OWNER)
        return ("id", prefix + value) if value in kept_ids else None
    if name in _COORDINATES:
        return name, _DIGITS.sub(lambda digits: f"{float(digits[0]):.2f}".rstrip("0").rstrip("."), value)
    return name, value.replace("url(#", f"url(#{prefix}")
