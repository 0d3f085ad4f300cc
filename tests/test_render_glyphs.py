import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image

SCRIPT = Path(__file__).parent.parent / "scripts" / "render_glyphs.py"
OWN = Path(mpl.get_data_path()) / "fonts" / "ttf"  # matplotlib's, so that the test needs no fonts of the machine


def render(*words):
    return subprocess.run([sys.executable, SCRIPT, *map(str, words)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def glyphs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "glyphs"
    ended = render(folder, "--fonts", "5", "--look-in", OWN)
    assert ended.returncode == 0, ended.stderr
    return folder


def ink(folder, character, font):
    return np.asarray(Image.open(folder / "train" / f"U+{ord(character):04X}" / f"{font}.png")) > 127


def test_a_hundred_classes_get_an_image_of_each_font_of_as_many_families_as_there_are(glyphs):
    classes = sorted(path.name for path in (glyphs / "train").iterdir())
    fonts = sorted(path.stem for path in (glyphs / "train" / classes[0]).iterdir())
    assert len(classes) == 100
    assert {"DejaVuSans-Bold", "DejaVuSansMono-Bold", "DejaVuSerif-Bold", "STIXGeneral"} < set(fonts)
    assert all(sorted(path.stem for path in (glyphs / "train" / name).iterdir()) == fonts for name in classes)


def test_characters_stand_upright_on_one_baseline(glyphs):
    letter = ink(glyphs, "L", "DejaVuSans-Bold")
    rows, columns = np.flatnonzero(letter.any(axis=1)), np.flatnonzero(letter.any(axis=0))
    box = letter[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert box[:, 0].all(), "the stem"
    assert box[-1].all(), "the foot"
    assert not box[: len(box) // 2, -1].any(), "nothing above the foot"
    for other in "ABE1":
        assert np.flatnonzero(ink(glyphs, other, "DejaVuSans-Bold").any(axis=1))[-1] == rows[-1]
    assert np.flatnonzero(ink(glyphs, "y", "DejaVuSans-Bold").any(axis=1))[-1] > rows[-1], "descends below it"


def test_no_two_classes_are_drawn_alike(glyphs):
    images = [np.asarray(Image.open(path)).tobytes() for path in (glyphs / "train").glob("*/STIXGeneral.png")]
    assert len(set(images)) == 100


def test_a_font_that_draws_one_box_for_everything_is_left_out(tmp_path):
    with TTFont(OWN / "DejaVuSans.ttf") as font:
        for table in font["cmap"].tables:
            if table.isUnicode():
                table.cmap = dict.fromkeys(table.cmap, "question")
        font.save(tmp_path / "boxes.ttf")
    (tmp_path / "text.ttf").write_text("no font")
    ended = render(tmp_path / "glyphs", "--look-in", tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == f"error: no font below {tmp_path} has all 100 characters\n"
    assert not (tmp_path / "glyphs").exists()


def test_images_that_are_there_are_not_overwritten(glyphs):
    ended = render(glyphs, "--look-in", OWN)
    assert (ended.returncode, ended.stderr) == (
        1,
        f"error: {glyphs} is there already: delete it or name another folder\n",
    )
