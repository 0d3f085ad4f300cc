"""Figures of more methods than they show at first: who is ticked is seen, on any screen, on paper, without scripts."""

import os
from pathlib import Path

import pytest

from cu.reporting.figures.types import Choice, Model, Part
from cu.reporting.render.page.page import page

NAMES = ("original", *(f"method {i}" for i in range(1, 8)), "retrained")
KEYS = ("original", *map(str, range(1, 8)), "retrained")
FIRST = ["original", "1", "2", "3", "4", "retrained"]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="180pt" height="60pt" viewBox="0 0 180 60">{}</svg>'
SEEN = "[...document.querySelectorAll('{} [data-model]')].filter((e) => e.getBoundingClientRect().width > 0)"
MODELS = f"{SEEN}.map((e) => e.dataset.model)"
SUMMARY = "document.querySelectorAll('.methods summary')[{}]"


def models(swatch):
    named = zip(KEYS, NAMES, strict=True)
    return tuple(Model(key=key, label=name, first=key in FIRST, swatch=swatch) for key, name in named)


@pytest.fixture(scope="module")
def report(tmp_path_factory, make_row, make_table, drawing):
    """Two tables, each with a figure of panels and one of lines."""
    bar = '<rect id="model-{}" width="{}" height="9" y="{}" fill="#0072b2"/>'
    panels = [Part(key=key, alt=f"Panel of {key}.", svg=SVG.format("<text y='20'>p</text>")) for key in KEYS]
    lines = SVG.format("".join(bar.format(key, 20 + 5 * i, 6 * i) for i, key in enumerate(KEYS)))
    legend = Part(key="", alt="Legend.", svg=SVG.format("<text y='20'>what is what</text>"))
    beside = Choice(models=models(""), parts=(legend, *panels), note="")
    above = Choice(
        models=models(SVG.format("<path d='M 0 9 H 180' stroke='teal'/>")),
        parts=(Part(key="", alt="Lines.", svg=lines),),
        note="7 of 9 methods can be shown here.",
    )
    titles = ("digits / slim / class", "digits / slim / sample")
    figures = [
        drawing(name=f"{kind}-{i}", table=title, choice=choice)
        for i, title in enumerate(titles)
        for kind, choice in (("panels", beside), ("lines", above))
    ]
    tables = [make_table(make_row("a", 1.0, 2.0), title=title) for title in titles]
    path = tmp_path_factory.mktemp("choice") / "choice.html"
    path.write_text(page("choice", tables, figures, []), encoding="utf-8")
    return path


def seen(browser, section):
    """Keys of the panels, of the lines, and of the lines' names that are seen in a section."""
    inside = f"section[aria-labelledby=table-{section}]"
    return [
        browser.run(MODELS.format(f"{inside} {where}"))
        for where in ("figure:nth-of-type(1) .parts", "figure:nth-of-type(2) svg", "figure:nth-of-type(2) .keys")
    ]


def screenshot(browser, name):
    if folder := os.environ.get("CU_SCREENSHOTS"):
        browser.screenshot(Path(folder) / f"choice-{name}.png")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_the_first_few_are_seen_before_anybody_chooses(browser, report, scripts):
    browser.open(report, scripts=scripts)
    assert browser.problems == []
    for section in (1, 2):
        assert seen(browser, section) == [FIRST] * 3


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_the_keyboard_chooses_for_all_figures_of_one_table(browser, report, scripts):
    browser.open(report, scripts=scripts)
    browser.run(f"{SUMMARY.format(0)}.focus()")
    browser.press("Enter")
    for key in KEYS[: KEYS.index("6") + 1]:
        browser.press("Tab")
        assert browser.run("document.activeElement.value") == key
        assert browser.run("document.activeElement.matches(':focus-visible')")
        if key in ("2", "6"):
            browser.press("Space")
    chosen = ["original", "1", "3", "4", "6", "retrained"]
    assert seen(browser, 1) == [chosen] * 3
    assert seen(browser, 2) == [FIRST] * 3


def test_what_is_seen_is_told_to_those_who_do_not_see(browser, report):
    browser.open(report)
    browser.run("document.querySelectorAll('.methods').forEach((d) => { d.open = true; })")
    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    named = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]]
    images = [name for role, name in named if role == "image" and name.startswith("Panel of")]
    assert images == 2 * [f"Panel of {key}." for key in FIRST]
    boxes = [name for role, name in named if role == "checkbox" and name in NAMES]
    assert boxes == 2 * list(NAMES)
    assert ("group", "Methods to show") in named


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_choice_fits_any_screen(browser, report, width, dark):
    browser.open(report, width=width, dark=dark)
    browser.run(f"{SUMMARY.format(0)}.click()")
    assert browser.run("document.documentElement.scrollWidth") <= width
    boxes = "[...document.querySelectorAll('.methods[open] label')].map((e) => e.getBoundingClientRect())"
    assert all(box >= 24 for box in browser.run(f"{boxes}.map((b) => b.height)"))
    assert browser.run(f"{boxes}.every((b) => b.left >= 0 && b.right <= {width})")
    panels = "[...document.querySelectorAll('.parts')][0].querySelectorAll('svg[data-model]')"
    first, second = browser.run(f"[...{panels}].slice(0, 2).map((e) => e.getBoundingClientRect().top)")
    assert first == second  # two small panels side by side, also on a phone
    screenshot(browser, f"{width}-{'dark' if dark else 'light'}")


def test_the_choice_stays_in_sight_while_its_figures_are_read(browser, report):
    browser.open(report, width=360)
    browser.run("document.querySelector('.figures').lastElementChild.scrollIntoView({behavior: 'instant'})")
    assert browser.run(f"{SUMMARY.format(0)}.getBoundingClientRect().top") == pytest.approx(0, abs=12)


def test_paper_shows_whom_the_reader_chose_and_no_boxes(browser, report):
    browser.open(report)
    browser.run("document.querySelector('.methods input[value=\"7\"]').click()")
    browser.send("Emulation.setEmulatedMedia", media="print")
    try:
        assert seen(browser, 1) == [[*FIRST[:-1], "7", "retrained"]] * 3
        assert browser.run("[...document.querySelectorAll('.methods')].every((e) => e.offsetHeight === 0)")
        screenshot(browser, "print")
    finally:
        browser.send("Emulation.setEmulatedMedia", media="")


def test_without_has_nothing_can_be_chosen_and_the_first_few_are_seen(browser, report, tmp_path):
    old = tmp_path / "old.html"
    old.write_text(report.read_text().replace(":has(", ":unknown-to-old-browsers("), encoding="utf-8")
    browser.open(old)
    assert seen(browser, 1) == [FIRST] * 3
    assert browser.run("[...document.querySelectorAll('.methods')].every((e) => e.offsetHeight === 0)")
