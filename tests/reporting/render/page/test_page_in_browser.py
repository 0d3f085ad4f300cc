"""What only a real browser can tell: that the page works where it is read."""

import math
from dataclasses import replace

import pytest

from cu.reporting.render.page.page import page
from cu.reporting.scales import SCALES
from cu.reporting.tables.types import Cell, Heading

COLUMN = "document.querySelectorAll('#content thead button')"
LABELS = "[...document.querySelectorAll('tbody tr')].filter((r) => !r.hidden).map((r) => r.cells[0].dataset.value)"
SAID = "document.getElementById('status').textContent"
ROWS = {
    "retrain": (0.0, 9.5),
    "scrub (lr=9)": (10.25, math.nan),
    "<script>throw 1</script>": (-3.0, 100.0),
    "scrub (lr=10)": (9.75, 2.0),
    "gone": (math.nan, math.nan),
    "equal": (9.75, math.inf),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory, make_row, make_table, drawing):
    """A page with whatever is hard: long words, many columns, holes, drawings with the same ids."""
    rows = [make_row(label, *values) for label, values in ROWS.items()]
    many = tuple(Heading(title=f"heading {i}", scale=SCALES["percent"], direction="higher") for i in range(12))
    wide = make_table(
        make_row("a" * 40, *map(float, range(12)), best=3, published=0.1),
        replace(make_row("gone", *[math.nan] * 12, marks=("exposed",)), cells=(Cell(hole="failed 2/2"),) * 12),
        title="w" * 60,
        headings=many,
        warnings=("mixes " + "c" * 80,),
        holes=("gone, seed 0: failed: " + "/long" * 50,),
        floor=None,
    )
    figures = [drawing(), drawing(name="again", alt="Again."), drawing(table="none", alt="Stray.")]
    path = tmp_path_factory.mktemp("page") / "night.html"
    path.write_text(page("night", [make_table(*rows), wide], figures, ["one thing"]), encoding="utf-8")
    return path


def by_python(column, reverse=False):
    """Labels in the order a sort by value should give: no value last, equal values as they stood."""
    known = [label for label in ROWS if not math.isnan(ROWS[label][column])]
    known.sort(key=lambda label: ROWS[label][column], reverse=reverse)
    return [*known, *(label for label in ROWS if label not in known)]


@pytest.fixture
def opened(browser, report):
    browser.open(report)
    return browser


def first_table(opened):
    return opened.run(LABELS)[: len(ROWS)]


def test_loads_without_a_complaint_and_asks_for_nothing(browser, report):
    for dark in (False, True):
        browser.open(report, dark=dark)
        assert browser.run("document.readyState") == "complete"
        assert browser.problems == []
        assert browser.addresses == [report.as_uri()]


@pytest.mark.parametrize("column", [0, 1])
def test_sorts_like_python_and_back(opened, column):
    click = f"{COLUMN}[{column + 1}].click()"
    heading = f"{COLUMN}[{column + 1}].parentElement.getAttribute('aria-sort')"
    for order, expected in (
        ("ascending", by_python(column)),
        ("descending", by_python(column, reverse=True)),
        (None, list(ROWS)),
        ("ascending", by_python(column)),
    ):
        opened.run(click)
        assert first_table(opened) == expected
        assert opened.run(heading) == order
        assert opened.run(SAID).endswith(order or "Original order")
    assert opened.run("document.querySelector('tfoot th').textContent.trim()") == "noise floor"


def test_one_column_at_a_time_is_sorted(opened):
    opened.run(f"{COLUMN}[1].click(); {COLUMN}[2].click()")
    assert opened.run("document.querySelectorAll('[aria-sort]').length") == 1
    assert first_table(opened) == by_python(1)


def test_methods_sort_as_people_count(opened):
    opened.run(f"{COLUMN}[0].click()")
    labels = first_table(opened)
    assert labels.index("scrub (lr=9)") + 1 == labels.index("scrub (lr=10)")


def test_keyboard_sorts_and_reaches_the_content(opened):
    opened.press("Tab")
    assert opened.run("document.activeElement.className") == "skip"
    assert opened.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    opened.press("Enter")
    assert opened.run("document.activeElement.id") == "content"
    for _ in range(20):
        opened.press("Tab")
        if opened.run(f"document.activeElement === {COLUMN}[1]"):
            break
    opened.press("Enter")
    assert first_table(opened) == by_python(0)
    opened.press("Space")
    assert first_table(opened) == by_python(0, reverse=True)
    assert "forget acc" in opened.run(SAID)


def test_filter_keeps_rows_with_all_words_in_one_table(opened):
    opened.run("document.querySelector('input[type=search]').focus()")
    opened.type("SCRUB 10)")
    assert opened.run(LABELS)[0] == "scrub (lr=10)"
    assert len(opened.run(LABELS)) == 1 + 2
    assert opened.run(SAID) == "1 of 6 rows shown"
    assert opened.run("document.querySelector('.count').textContent") == "1 of 6 rows"
    opened.run("document.querySelector('input').value = ''")
    opened.run("document.querySelector('input').dispatchEvent(new Event('input'))")
    assert first_table(opened) == list(ROWS)


def test_columns_can_be_hidden(opened):
    shown = "[...document.querySelector('table').rows].map((r) => [...r.cells].filter((c) => !c.hidden).length)"
    assert set(opened.run(shown)) == {4}
    opened.run("document.querySelector('fieldset input').click()")
    assert set(opened.run(shown)) == {3}


def test_figures_have_sizes_and_alternatives(opened):
    size = "[s.getAttribute('aria-label'), s.getBoundingClientRect().width, s.getBoundingClientRect().height]"
    figures = opened.run(f"[...document.querySelectorAll('figure svg')].map((s) => {size})")
    assert [alt for alt, *_ in figures] == ["Bars: 1 and 2.", "Again.", "Stray."]
    assert all(min(width, height) > 50 for _, width, height in figures)
    bar = "[...document.querySelectorAll('figure use')].map((u) => u.getBoundingClientRect().width)"
    assert all(width > 20 for width in opened.run(bar))


def test_tables_are_announced(opened):
    assert opened.run("document.documentElement.lang") == "en"
    assert opened.run("[...document.querySelectorAll('th')].every((th) => th.scope)")
    nodes = opened.send("Accessibility.getFullAXTree")["nodes"]
    named = {(n["role"]["value"], n.get("name", {}).get("value", "").strip()) for n in nodes if not n["ignored"]}
    assert ("button", "forget acc match retrained") in named
    assert ("searchbox", "Filter rows") in named
    assert ("region", "Table of digits / slim / class") in named
    assert ("image", "Bars: 1 and 2.") in named
    assert {"main", "navigation", "banner", "status"} <= {role for role, _ in named}


@pytest.mark.parametrize("width", [360, 768])
def test_fits_a_phone(browser, report, width):
    browser.open(report, width=width)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("visualViewport.scale") == 1
    wide = "document.querySelectorAll('.scroll')[1]"
    browser.run(f"{wide}.scrollLeft = 200")
    assert browser.run(f"{wide}.scrollLeft") == 200
    left = f"(e) => e.getBoundingClientRect().left - {wide}.getBoundingClientRect().left"
    assert browser.run(f"({left})({wide}.querySelector('tbody th'))") == pytest.approx(0, abs=1)


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_contrast(browser, report, dark):
    browser.open(report, dark=dark)
    browser.run(f"{COLUMN}[1].click()")
    texts = browser.run(_COLOURS)
    assert len(texts) > 100
    assert (luminance(next(t["below"] for t in texts if t["text"] == "night")) < 0.1) is dark
    poor = {t["text"]: contrast(t["ink"], t["below"]) for t in texts if contrast(t["ink"], t["below"]) < 4.5}
    assert poor == {}


_COLOURS = """
[...document.querySelectorAll('body, body *')].filter((element) =>
  [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && element.tagName !== 'SCRIPT'
).map((element) => {
  let below = element;
  while (getComputedStyle(below).backgroundColor === 'rgba(0, 0, 0, 0)') below = below.parentElement;
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const ink = getComputedStyle(element)[element.ownerSVGElement ? 'fill' : 'color'];
  return {text: element.textContent.trim().slice(0, 40), ink: numbers(ink),
          below: numbers(getComputedStyle(below).backgroundColor)};
})
"""


def luminance(colour):
    """Relative luminance, WCAG 2."""
    assert len(colour) == 3
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_reads_without_scripts(browser, report):
    browser.open(report, scripts=False)
    assert browser.problems == []
    assert browser.run("getComputedStyle(document.querySelector('.tools')).display") == "none"
    assert browser.run("document.querySelectorAll('button').length") == 0
    assert first_table(browser) == list(ROWS)
