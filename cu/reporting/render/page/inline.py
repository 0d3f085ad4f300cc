"""SVG documents as parts of a page.

Inline, not as images: text can be selected and found, and ink that is `currentColor` follows the page into dark mode.
What would reach beyond a drawing stays behind: its style sheets, scripts and links, and ids that others have too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_UNWANTED = {"script", "style", "metadata", "foreignObject", "title"}
_PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "in": 96.0, "mm": 96 / 25.4, "cm": 96 / 2.54}


@dataclass(frozen=True, kw_only=True)
class Inline:
    """Markup to stand in a page, and its size in CSS pixels."""

    markup: str
    width: int
    height: int


def inline(svg: str, prefix: str, alt: str) -> Inline:
    """An SVG document as part of a page.

    Args:
        svg: The document.
        prefix: Put before every id in it.
        alt: What it shows, for those who cannot see it.

    Raises:
        ValueError: It is no SVG document, or does not say how large it is.
    """
    try:
        root = ElementTree.fromstring(svg.encode())
    except ElementTree.ParseError as error:
        raise ValueError(f"not an SVG document: {error}") from error
    width, height = (round(side) for side in _size(root))
    _clean(root, prefix)
    root.attrib.update({"role": "img", "aria-label": alt, "width": str(width), "height": str(height)})
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


def _clean(element: ElementTree.Element, prefix: str) -> None:
    element.tag = element.tag.removeprefix(_SVG)
    kept = (_attribute(name.removeprefix(_XLINK), value, prefix) for name, value in element.attrib.items())
    element.attrib = dict(pair for pair in kept if pair)
    for child in list(element):
        # Comments have no text as tag; elements of other namespaces keep theirs.
        if not isinstance(child.tag, str) or not child.tag.startswith(_SVG) or child.tag[len(_SVG) :] in _UNWANTED:
            element.remove(child)
        else:
            _clean(child, prefix)


def _attribute(name: str, value: str, prefix: str) -> tuple[str, str] | None:
    if name == "href":
        kept = f"#{prefix}{value[1:]}" if value.startswith("#") else value if value.startswith("data:image/") else None
        return ("href", kept) if kept else None
    if name.startswith(("{", "on")):
        return None
    return name, prefix + value if name == "id" else value.replace("url(#", f"url(#{prefix}")
