import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from cu.reporting.render.page.page import page, sort_key
from cu.reporting.scales import SCALES
from cu.reporting.tables.types import Cell, Heading, Note, SeedCount

ROLES = {"retrain": "yardstick", "scrub": "method", "noise floor": "floor"}
EVIL = """<script>alert(1)</script>"' onload=alert(2) {{ 7*7 }} </style> &amp; ]]> é漢"""


class Reader(HTMLParser):
    """Tags with their attributes, and the text of each section by its heading's id."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.section, self.texts = [], "", {"": ""}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.section = dict(attrs)["aria-labelledby"]

    def handle_data(self, data):
        self.texts[self.section] = self.texts.get(self.section, "") + data

    def attributes(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def full(make_row, make_table):
    """Two tables, the first with everything a table can have."""
    gone = make_row("gone", float("nan"), float("nan"))
    gone = replace(
        gone,
        cells=(Cell(hole="failed 2/2"),) * 2,
        seeds=SeedCount(finished=0, expected=2, others=(("failed", 2),)),
    )
    rows = (
        make_row("retrain", 0.0, 9.0, role="yardstick"),
        make_row("near", 1.0, float("nan"), best=0, published=0.7, marks=("exposed",), setting="lr=1"),
        gone,
    )
    first = make_table(*rows, warnings=("mixes 2 commits",), holes=("gone, seed 0: failed: no memory",))
    return [first, make_table(make_row("only", 1.0, 2.0), title="svhn / slim / class", notes=(), floor=None)]


def test_everything_a_table_says_is_there(full):
    reader = Reader(page("night", full, (), ["report.datasets: no run of mnist"]))
    words = " ".join(reader.texts["table-1"].split())
    for text in (
        "digits / slim / class",
        "closest",
        "yardstick",
        "match retrained",
        "lower is better",
        "1.000 ± 0.100 (+0.500)",
        "published: 0.700 (+0.300)",
        "near note † (lr=1)",
        "n/a note [1]",
        "— (failed 2/2)",
        "0/2 (failed 2)",
        "noise floor",
        "Warning: mixes 2 commits",
        "not measured",
        "1 run without a result",
        "gone, seed 0: failed: no memory",
        "2 of 2 runs finished; commit abc; torch 2.5.",
    ):
        assert text in words
    assert "report.datasets: no run of mnist" in reader.texts[""]
    assert "without a result" not in reader.texts["table-2"]
    assert "noise floor" not in reader.texts["table-2"]


def test_links_lead_somewhere(full, drawing):
    reader = Reader(page("a b/night #1", full, [drawing(table=""), drawing(table="")], []))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    links = [attributes["href"] for attributes in reader.attributes("a")]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert [link for link in links if not link.startswith(("#", "figures/"))] == [
        f"night%20%231.{suffix}" for suffix in ("csv", "md", "tex")
    ]
    named = {attributes["aria-labelledby"] for _, attributes in reader.tags if "aria-labelledby" in attributes}
    assert named <= set(ids)


def test_figures_follow_their_table_and_strays_come_last(full, drawing):
    figures = [drawing(name="b", table="nowhere", alt="stray"), drawing(name="a c", table=full[1].title, alt="second")]
    reader = Reader(page("night", full, figures, []))
    assert [svg["aria-label"] for svg in reader.attributes("svg")] == ["second", "stray"]
    assert all((svg["width"], svg["height"]) == ("120", "80") for svg in reader.attributes("svg"))
    links = [link["href"] for link in reader.attributes("a") if link["href"].startswith("figures/")]
    assert links == [f"figures/{name}.{suffix}" for name in ("a%20c", "b") for suffix in ("pdf", "png", "csv")]
    assert "Two bars." in reader.texts["table-2"]
    assert "Two bars." in reader.texts["others"]


def test_nothing_can_be_injected(make_row, make_table, drawing):
    heading = Heading(title=EVIL, scale=SCALES["percent"], direction=None)
    cells = (Cell(hole=EVIL), Cell(value=1.0, note=EVIL))
    row = replace(make_row(EVIL, 1.0, 2.0, setting=EVIL, model=EVIL), cells=cells)
    evil = make_table(
        *(row,),
        **{"title": EVIL, "headings": (heading, heading), "legend": EVIL, "notes": (Note(text=EVIL),)},
        **{"warnings": (EVIL,), "holes": (EVIL,), "provenance": EVIL},
    )
    figure = drawing(name=EVIL, table=EVIL, title=EVIL, caption=EVIL, alt=EVIL)
    mild = make_table(make_row("a", 1.0, 2.0), holes=("b",))
    tame, wild = (Reader(page("x", [t], [f], ["w"])) for t, f in ((mild, drawing()), (evil, figure)))
    assert len(wild.attributes("script")) == len(wild.attributes("style")) == 1
    assert wild.attributes("svg")[0]["aria-label"] == EVIL
    known = {name for _, attributes in tame.tags for name in attributes}
    assert {name for _, attributes in wild.tags for name in attributes} <= known
    assert "49" not in wild.texts["table-1"]
    assert EVIL in Reader(page(EVIL, [evil], [figure], [EVIL])).texts[""]


def test_the_page_asks_for_nothing(full, drawing):
    text = page("night", full, [drawing()], [])
    for tag, attributes in Reader(text).tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert attributes.get("src", "data:").startswith("data:")
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|https?://", text)


def test_notes_with_and_without_a_mark(make_row, make_table):
    plain = ["published: of the paper, in brackets", "† is no mark here"]
    marked = (Note(text="looks forgotten", mark="exposed"), Note(text="a: no run", mark=12))
    table = make_table(
        make_row("near", 1.0, 2.0, marks=("exposed",)), notes=(*marked, *(Note(text=text) for text in plain))
    )
    text = page("night", [table], [], [])
    assert re.findall("<dt>(.*?)</dt>", text) == ["†", "[12]"]
    assert re.findall('<p class="notes">(.*?)</p>', text) == plain


def test_equal_reports_give_equal_pages(full, drawing):
    assert page("night", full, [drawing()], ["w"]) == page("night", full, [drawing()], ["w"])


def test_a_report_without_tables_is_a_page():
    assert "<h1>empty</h1>" in page("empty", [], [], [])


@pytest.mark.parametrize("value", [0.1 + 0.2, -1e-300, 12.0, math.inf, -math.inf])
def test_sort_keys_keep_every_digit(value):
    assert float(sort_key(value) or "nan") == value


def test_javascript_knows_no_inf():
    assert (sort_key(math.inf), sort_key(-math.inf), sort_key(math.nan)) == ("Infinity", "-Infinity", None)


def test_rows_of_several_models_have_yardsticks_of_their_own(make_row, make_table):
    rows = [make_row(name, 1.0, 2.0, model="resnet18", role=role) for name, role in ROLES.items()]
    reader = Reader(page("night", [make_table(*rows, floor=None)], [], []))
    classes = [attributes.get("class") for attributes in reader.attributes("tr")][1:]
    assert classes == ["yardstick", None, "yardstick"]
