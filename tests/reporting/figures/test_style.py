import re

import pytest

from cu.reporting.figures import style


def luminance(colour):
    """Relative luminance as in WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#121212"])
def test_everything_can_be_seen_on_white_and_on_black(page):
    assert contrast(style.INK, page) >= 4.2
    for colour in (*style.COLOURS, *style.CLASSES):
        assert contrast(colour, page) >= 3, colour


def test_no_two_methods_look_alike():
    looks = [tuple(map(str, style.look(i).values())) for i in range(30)]
    assert len(set(looks)) == 30
    assert len(set(style.CLASSES)) == 10


def test_svg_takes_the_ink_of_the_page_and_keeps_text(filled):
    svg = filled.figure("probe_bars").svg
    assert svg.startswith(f'<svg color="{style.INK}"')
    assert "currentColor" in svg
    assert style.INK.lower() not in svg.split(">", 1)[1].lower()
    assert re.search(r"<text[^>]*>\s*linear probe", svg)


def test_png_has_dark_ink_on_white(filled):
    import io

    import numpy as np
    from matplotlib.image import imread

    image = imread(io.BytesIO(filled.figure("gap_map").png))
    assert (image[0, 0, :3] == 1).all()
    ink = np.array([int(style.INK[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    assert image[..., :3].min() < 0.15
    assert not np.isclose(image[..., :3], ink, atol=1e-3).all(axis=-1).mean() > 0.01


def test_a_long_legend_makes_the_canvas_taller_and_leaves_the_panel_its_height():
    heights = []
    for count in (4, 40):
        with style.styled():
            canvas, (ax,) = style.grid(1, 1, 4.0)
            for i in range(count):
                ax.plot([0, 1], [0, i], label=f"method {i}")
            style.legend_below(canvas, *ax.get_legend_handles_labels())
            canvas.draw_without_rendering()
            heights.append(ax.get_position().height * canvas.get_figheight())
    assert heights[1] > 0.8 * heights[0]
