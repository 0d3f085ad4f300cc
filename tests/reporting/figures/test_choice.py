import re
import xml.etree.ElementTree as ET

import pytest

from cu.reporting.figures.choice import ROOM
from cu.reporting.render.page.page import page

METHODS = ("amun", "contrastive", "delete", "finetune", "salun", "scrub", "ssd")
KEYS = ["original", "1", "2", "3", "4", "5", "6", "7", "retrained"]
LABELS = ["original", "contrastive", *(name for name in METHODS if name != "contrastive"), "retrained"]
BOUND = 600_000


@pytest.fixture
def seven(study):
    for i, method in enumerate(METHODS):
        folder = study.add(method, 0, 0.1 * i, shift=float(i))
        study.trajectory(folder, {4: (0.8, 0.9, 0.7), 8: (0.1 * i, 0.8, 0.3)})
    return study


def boxes(part):
    return [float(number) for number in ET.fromstring(part.svg).attrib["viewBox"].split()]


@pytest.mark.parametrize("kind", ["histograms", "embedding_plane", "roc"])
def test_all_methods_can_be_chosen_and_the_few_come_first(seven, kind):
    choice = seven.figure(kind).choice
    assert [model.key for model in choice.models] == KEYS
    assert [model.label for model in choice.models] == LABELS
    assert [model.key for model in choice.models if model.first] == ["original", "1", "2", "3", "4", "retrained"]
    assert choice.note == ""


def test_panels_are_parts_of_their_own_and_say_whose_they_are_and_what_their_axes_are(seven):
    choice = seven.figure("histograms").choice
    assert [part.key for part in choice.parts] == ["", *KEYS]
    for part, label in zip(choice.parts[1:], LABELS, strict=True):
        texts = "".join(ET.fromstring(part.svg).itertext())
        assert [name for name in LABELS if name in texts] == [label]
        assert "loss [nats]" in texts
        assert f": {label}: AUC of loss 0." in part.alt
    sizes = {tuple(boxes(part)[2:]) for part in choice.parts[2:]}
    assert max(width for width, _ in sizes) - min(width for width, _ in sizes) < 8
    assert max(height for _, height in sizes) < 100
    assert "forgotten training samples" in "".join(ET.fromstring(choice.parts[0].svg).itertext())


def test_a_part_shows_its_own_panel_and_nothing_is_cut_off(seven):
    for part in seven.figure("embedding_plane").choice.parts:
        left, top, width, height = boxes(part)
        texts = re.findall(
            r'<text[^>]*transform="translate\(([\d.]+) ([\d.]+)\)|<text[^>]* x="([\d.]+)" y="([\d.]+)"', part.svg
        )
        places = [tuple(float(number) for number in found if number) for found in texts]
        assert len(places) >= 2  # whose it is, and its purity
        assert all(left <= x <= left + width and top <= y <= top + height for x, y in places)


def test_lines_are_marked_by_their_model_and_have_a_key_each(seven):
    choice = seven.figure("roc").choice
    (part,) = choice.parts
    ids = [element.get("id") for element in ET.fromstring(part.svg).iter() if element.get("id")]
    assert [name.removeprefix("model-") for name in ids if name.startswith("model-")] == KEYS
    assert "contrastive" not in "".join(ET.fromstring(part.svg).itertext())  # the page has the names
    colours = [re.search(r"stroke: (#\w+|currentColor)", model.swatch)[1] for model in choice.models]
    assert len(set(colours[1:7])) == 6
    dashes = {re.search(r"stroke-dasharray: ([\d., ]+)", model.swatch)[1] for model in choice.models[2:5]}
    assert len(dashes) == 3


def test_trajectories_are_parts_without_yardsticks(seven):
    choice = seven.figure("trajectory").choice
    assert [part.key for part in choice.parts] == ["", *KEYS[1:-1]]
    assert all("ends after 8 steps" in part.alt for part in choice.parts[1:])


def test_files_are_as_ever(seven):
    for kind in ("histograms", "roc"):
        figure = seven.figure(kind)
        assert "model-" not in figure.svg
        assert "salun" not in figure.svg
        assert "contrastive" in figure.svg


def test_few_methods_leave_nothing_to_choose(filled):
    assert [figure.choice for figure in filled.build("histograms", "roc")[0]] == [None, None]


def test_a_method_that_kept_nothing_is_said_and_the_others_can_be_chosen(seven):
    next(seven.outputs.glob("runs/*/*/*/ssd/*/predictions.npz")).unlink()
    choice = seven.figure("histograms").choice
    assert "ssd" not in {model.label for model in choice.models}
    assert choice.note == "6 of 7 methods can be shown here."


def test_figures_of_forty_methods_are_bounded(study):
    for i in range(40):
        folder = study.add(f"method{i:02}", 0, 0.5, shift=i / 8)
        study.trajectory(folder, {4 * step: (0.8, 0.9, 0.7) for step in range(50)})
    figures, _ = study.build("histograms", "roc", "trajectory", "embedding_plane")
    empty = len(page("x", [], [], []))
    for figure in figures:
        count = sum(model.key.isdigit() for model in figure.choice.models)
        assert count == ROOM[figure.name.split("-")[0]]
        assert 10_000 < len(page("x", [], [figure], []).encode()) - empty < BOUND
