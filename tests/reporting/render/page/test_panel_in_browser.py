"""The front panel where it is read: any width, light, dark, on paper, by keyboard and by touch."""

import os
from pathlib import Path

import pytest

from cu.reporting.render.page.page import page
from cu.reporting.tables.types import Label, Light, PanelRow

SHOWN = "[...document.querySelectorAll('.tip')].filter((t) => getComputedStyle(t).display !== 'none').map((t) => t.id)"
STATES = ("like", "unlike", "open", "none")


def light(state, number):
    reason = "one seed: no verdict" if state == "none" else ""
    numbers = {"key": "retain_test_acc", "mean": 0.9, "ref": 0.91, "gap": -0.01, "floor": 0.004, "margin": 0.01}
    tests = {"seeds": 3, "references": 2, "far_p": 0.0123, "like_p": 0.04}
    return Light(question=f"question {number}?", state=state, reason=reason, **numbers, **tests)


@pytest.fixture(scope="module")
def report(tmp_path_factory, make_row, make_table):
    """Two panels, one with a method of a long name."""
    lines = [
        PanelRow(
            label=Label(name=name), lights=tuple(light(STATES[(i + j) % 4], j) for j in range(3)), distance=1.5 * i
        )
        for i, name in enumerate(("contrastive", "finetune", "contrastive_matching_" * 3, "logit_mask"))
    ]
    tables = [
        make_table(make_row("contrastive", 1.0, 2.0), title=title, panel=tuple(lines)) for title in ("a / b", "c / d")
    ]
    path = tmp_path_factory.mktemp("panel") / "panel.html"
    path.write_text(page("panel", tables, (), ()), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_fits_any_screen_and_what_it_tells_is_inside_it(browser, report, width, dark):
    browser.open(report, width=width, dark=dark)
    assert browser.problems == []
    assert browser.run("document.documentElement.scrollWidth") <= width
    for place in ("0", "document.querySelectorAll('button.light').length - 1"):
        browser.run(f"document.querySelectorAll('button.light')[{place}].focus()")
        (shown,) = browser.run(SHOWN)
        box = f"document.getElementById('{shown}').getBoundingClientRect()"
        left, right = browser.run(f"[{box}.left, {box}.right]")
        assert left >= 0
        assert right <= width
        if folder := os.environ.get("CU_SCREENSHOTS"):
            browser.screenshot(Path(folder) / f"panel-{width}-{'dark' if dark else 'light'}-{place[:1]}.png")


def test_a_light_is_reached_by_keyboard_told_to_readers_and_closed_by_escape(browser, report):
    browser.open(report)
    browser.run("document.querySelector('.panel caption a').focus()")
    browser.press("Tab")
    assert browser.run(SHOWN) == ["table-1-light-1-1"]
    described = "document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent"
    assert "p = 0.012" in browser.run(described)
    assert browser.run("document.activeElement.getAttribute('aria-label')") == "question 0? yes"
    browser.run("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}))")
    assert browser.run(SHOWN) == []
    browser.press("Tab")
    assert browser.run(SHOWN) == ["table-1-light-1-2"]


def test_a_tap_opens_and_a_second_closes(browser, report):
    browser.open(report, width=360)
    lamp = "document.querySelectorAll('button.light')[4]"
    browser.run(f"{lamp}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    box = f"{lamp}.getBoundingClientRect()"
    x, y = browser.run(f"[{box}.left + {box}.width / 2, {box}.top + {box}.height / 2]")
    for expected in (["table-1-light-2-2"], []):
        browser.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        browser.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        browser.run("0")
        assert browser.run(SHOWN) == expected


def test_on_paper_every_light_says_its_word(browser, report):
    browser.open(report)
    browser.send("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.run("[...document.querySelectorAll('.panel .word')].every((w) => w.offsetWidth > 5)")
        assert browser.run(SHOWN) == []
        if folder := os.environ.get("CU_SCREENSHOTS"):
            browser.screenshot(Path(folder) / "panel-print.png")
    finally:
        browser.send("Emulation.setEmulatedMedia", media="")
