"""How figures look: on white and on black, on a phone, without colour, and always the same bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap, to_rgb, to_rgba_array
from matplotlib.figure import Figure as Canvas

# Of all greys the one whose contrast is the same on white and on #121212: 4.3 to 1.
INK = "#797979"
PAPER_INK, PAPER = "#222222", "#FFFFFF"  # of PDF and PNG, which cannot ask the page
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
# Okabe & Ito 2008, orange and sky blue darkened: contrast at least 3 to 1 on white and on #121212. Never alone.
COLOURS = (VERMILLION, BLUE, GREEN, PURPLE, "#B27D00", "#3A93C8")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.2, 1, 1.2)), (0, (6, 1, 1, 1, 1, 1)))
CLASSES = (*COLOURS, "#8A8A00", "#B5446E", "#8C6D5A", "#8B6FD6")
WIDTH = 5.0  # inches: on a phone (390 px) text of 9 pt is still 10 px high
DPI = 160
ROWS_INCLUDED, LEGEND_ROW = 4, 0.18  # of a legend: rows that panels leave room for; inches of each one more

_RC: Any = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "text.parse_math": False,  # a setting may hold dollar signs
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "cu",
    "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3, though it is drawn faster
}


@contextmanager
def styled() -> Iterator[None]:
    """Within, whatever is drawn or rendered has this style, and no user's matplotlibrc."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def grid(count: int, columns: int, height: float, width: float = WIDTH, **more: Any) -> tuple[Canvas, list[Axes]]:
    """A canvas with `count` panels, filled row by row; panels of `height` inches each."""
    columns = min(columns, count)
    rows = -(-count // columns)
    canvas = Canvas(figsize=(width, rows * height), layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False, **more).ravel()
    for spare in axes[count:]:
        spare.set_visible(False)
    return canvas, list(axes[:count])


def legend_below(canvas: Canvas, handles: Sequence[Any], labels: Sequence[str], columns: int = 2) -> None:
    """One legend for all panels, outside below them; the canvas grows by its rows beyond the first few."""
    rows = -(-len(labels) // columns)
    canvas.set_figheight(canvas.get_figheight() + max(0, rows - ROWS_INCLUDED) * LEGEND_ROW)
    canvas.legend(handles, labels, loc="outside lower left", ncols=columns, handlelength=2.6)


def legend_taken(canvas: Canvas, columns: int = 2) -> list[tuple[Any, str]]:
    """Take the legend off again; returns its handles and labels."""
    found = [
        (handle, text.get_text())
        for legend in canvas.legends
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True)
    ]
    rows = -(-len(found) // columns)
    canvas.set_figheight(canvas.get_figheight() - max(rows, ROWS_INCLUDED) * LEGEND_ROW)
    canvas.legends.clear()
    return found


def render(canvas: Canvas) -> tuple[str, bytes, bytes]:
    """SVG, PDF and PNG; without dates, so that equal drawings give equal bytes. The canvas is spent."""
    lay_out(canvas)
    text = svg(canvas)
    _reink(canvas)
    pdf = _printed(FigureCanvasPdf(canvas).print_pdf, "CreationDate")
    canvas.patch.set_facecolor(PAPER)
    canvas.dpi = DPI
    return text, pdf, _printed(FigureCanvasAgg(canvas).print_png, "Software")


def lay_out(canvas: Canvas) -> None:
    """Put everything in its place, which is slow, once instead of in every drawing."""
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")


def svg(canvas: Canvas) -> str:
    """SVG of what has been laid out."""
    return _adaptive(_printed(FigureCanvasSVG(canvas).print_svg, "Date").decode("utf-8"))


def _printed(draw: Callable[..., Any], undated: str) -> bytes:
    """What a backend draws; `savefig` would draw everything twice, to the same effect."""
    buffer = io.BytesIO()
    draw(buffer, metadata={undated: None})
    return buffer.getvalue()


def _reink(canvas: Canvas) -> None:
    """Turn all that is drawn in `INK` into `PAPER_INK`, and keep what is transparent so."""
    for artist in canvas.findobj():
        for name in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor", "hatchcolor"):
            get, put = (getattr(artist, f"{verb}_{name}", None) for verb in ("get", "set"))
            if get is None or put is None:
                continue
            colours = to_rgba_array(get())
            inked = np.isclose(colours[:, :3], to_rgb(INK)).all(axis=1)
            if inked.any():
                colours[inked, :3] = to_rgb(PAPER_INK)
                put(colours if len(colours) > 1 else tuple(colours[0]))


def _adaptive(svg: str) -> str:
    """Let the page choose the ink; as an attribute of the root, any style sheet of the page overrides it."""
    start = svg.index("<svg ")
    body = svg[start:].replace(INK.lower(), "currentColor").replace(INK, "currentColor")
    return body.replace("<svg ", f'<svg color="{INK}" ', 1)


def look(index: int | None) -> dict[str, Any]:
    """Colour, marker and dash of the method at this place in its table; of a yardstick if None."""
    if index is None:
        return {"color": INK, "marker": "*", "linestyle": "-"}
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }


def framed(ax: Axes) -> None:
    """A box around a panel that has no scale of its own, and no tick marks."""
    ax.spines[:].set_visible(True)
    ax.tick_params(length=0)


def shares_map() -> LinearSegmentedColormap:
    """From nothing, whatever the page's colour, to blue."""
    red, green, blue = to_rgb(BLUE)
    return LinearSegmentedColormap.from_list("shares", [(red, green, blue, 0.0), (red, green, blue, 1.0)])


def text_on_share(share: float) -> str:
    """The colour of text that can be read on `shares_map` at `share`, on any page."""
    return "#FFFFFF" if share > 0.6 else INK
