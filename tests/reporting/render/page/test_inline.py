import io
import re
from xml.etree import ElementTree

import pytest

from cu.reporting.render.page.inline import inline

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg" '
    'xmlns:xlink="http://www.w3.org/1999/xlink"'
)


def shown(body, alt=""):
    return inline(f'{HEAD} width="1" height="1">{body}</svg>', "a-", alt).markup


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ('width="460.8pt" height="345.6pt" viewBox="0 0 460.8 345.6"', (614, 461)),
        ('width="3in" height="25.4mm"', (288, 96)),
        ('width="80" height="60px"', (80, 60)),
        ('width="100%" viewBox="0,0,40,30"', (40, 30)),
    ],
)
def test_size_in_css_pixels(attributes, size):
    found = inline(f"{HEAD} {attributes}></svg>", "a-", "")
    assert (found.width, found.height) == size
    root = ElementTree.fromstring(found.markup)
    assert (root.get("width"), root.get("height")) == tuple(map(str, size))
    assert root.get("viewBox")


@pytest.mark.parametrize("svg", ["", "no", f"{HEAD}></svg>", f'{HEAD} width="wide" height="1"></svg>'])
def test_what_has_no_size_is_refused(svg):
    with pytest.raises(ValueError, match="SVG document"):
        inline(svg, "", "")


def test_ids_and_what_refers_to_them_move_together():
    markup = shown(
        '<clipPath id="c"><rect id="r"/></clipPath><g clip-path="url(#c)"><use xlink:href="#r" '
        'style="fill: url(#c); stroke: red"/><use href="#r"/></g>'
    )
    assert markup.count('id="a-') == 2
    assert markup.count('href="#a-r"') == 2
    assert markup.count("url(#a-c)") == 2
    assert "stroke: red" in markup


def test_what_reaches_beyond_the_drawing_stays_behind():
    markup = shown(
        "<script>1</script><style>* {color: red}</style><metadata>m</metadata><foreignObject><p/></foreignObject>"
        '<!-- c --><other xmlns="urn:x"/><g onload="x()"><a href="https://example.org"/>'
        '<image xlink:href="data:image/png;base64,AA=="/><image href="http://example.org"/></g>'
    )
    assert set(re.findall(r"<(\w+)", markup)) == {"svg", "g", "a", "image"}
    assert re.findall(r'href="(.*?)"', markup) == ["data:image/png;base64,AA=="]
    assert not re.search(r"onload|example|color", markup)


def test_text_is_text_and_stays_escaped():
    markup = shown("<text>&lt;script&gt; ± é &amp;</text>", alt='"<b>')
    root = ElementTree.fromstring(markup)
    assert root.findtext("text") == "<script> ± é &"
    assert root.get("aria-label") == '"<b>'
    assert root.get("role") == "img"


def test_drawings_of_matplotlib_keep_all_they_refer_to():
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(4, 3))
    axes = canvas.subplots()
    axes.plot([1, 2, 3], marker="o")
    axes.imshow([[0, 1], [1, 0]])
    axes.set_xlabel("a < b & c")
    buffer = io.StringIO()
    canvas.savefig(buffer, format="svg")
    found = inline(buffer.getvalue(), "a-", "")
    assert (found.width, found.height) == (4 * 96, 3 * 96)
    ids = re.findall(r'\bid="(.*?)"', found.markup)
    used = re.findall(r'url\(#(.*?)\)|href="#(.*?)"', found.markup)
    assert used
    assert {one or other for one, other in used} <= set(ids)
    assert all(name.startswith("a-") for name in ids)
    assert "data:image/png" in found.markup
