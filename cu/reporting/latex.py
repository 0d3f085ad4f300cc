r"""Tables in LaTeX, to `\input` into a document: they fit a page of the article class and need booktabs only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cu.reporting.latex_text import breakable, escape
from cu.reporting.layout import Column, Layer, columns_of, height, layers, pack, panels
from cu.reporting.tables import LEGEND, Row, Table

# Lines of \footnotesize that a page holds besides a caption, those that a heading and rules may take, characters of
# \scriptsize in a line of notes, and the height of such a line.
LINES, _HEAD, _NOTE_WIDTH, _NOTE_LINE = 54, 9, 100, 0.85
_MOST_HOLES = 8
# Stacked rows have some room between them.
_SKIP = 1.08


def latex(tables: Iterable[Table]) -> str:
    """All tables, each in one or more floats, with its notes below it."""
    return "% needs \\usepackage{booktabs}; as wide and high as a page of the article class\n\n" + "\n".join(
        _floats(table) for table in tables
    )


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """What must not be torn apart, and its height in lines."""

    text: str
    height: float


def _floats(table: Table) -> str:
    columns = columns_of(table)
    stacked = len(panels(columns, stacked=False)) > 1
    pieces = [
        _panel(table, part, rows, stacked)
        for part in panels(columns, stacked)
        for rows in pack(table.rows, [height(row, part, stacked) for row in table.rows], (LINES - _HEAD) / _SKIP)
    ]
    pieces.append(_notes(table))
    pages = pack(pieces, [piece.height for piece in pieces], LINES)
    return "\n".join(_float(table, page, continued=i > 0) for i, page in enumerate(pages)) + _unlisted(table)


def _float(table: Table, pieces: Sequence[_Piece], continued: bool) -> str:
    return "\n".join(
        [
            *([r"\addtocounter{table}{-1}"] if continued else []),
            r"\begin{table}[tp]",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{breakable(table.title)}{' (continued)' if continued else ''}}}",
            "\n\\par\\medskip\n".join(piece.text for piece in pieces),
            r"\end{table}",
            "",
        ]
    )


def _panel(table: Table, columns: Sequence[Column], rows: Sequence[Row], stacked: bool) -> _Piece:
    label, *others = columns
    shape = (rf"p{{{label.points(stacked)}pt}}" if label.wraps else "l") + "r" * len(others)
    heads = [_stack(column.heading) for column in columns]
    body = [_line(row, columns, stacked) for row in rows]
    if stacked:
        body = [line + "\n\\addlinespace[1.5pt]" for line in body]
    if table.floor and rows[-1] is table.rows[-1]:
        body += [r"\midrule", _line(table.floor, columns, stacked)]
    text = [rf"\begin{{tabular}}{{@{{}}{shape}@{{}}}}", r"\toprule", " & ".join(heads) + r" \\", r"\midrule", *body]
    lines = max(len(column.heading) for column in columns) + 3 + sum(height(row, columns, stacked) for row in rows)
    return _Piece(text="\n".join([*text, r"\bottomrule", r"\end{tabular}"]), height=lines * (_SKIP if stacked else 1))


def _stack(lines: Sequence[str]) -> str:
    if len(lines) < 2:
        return escape("".join(lines))
    return r"\begin{tabular}[b]{@{}r@{}}" + r"\\ ".join(map(escape, lines)) + r"\end{tabular}"


def _line(row: Row, columns: Sequence[Column], stacked: bool) -> str:
    lines = [[_cell(row, column, layer) for column in columns] for layer in layers(row, stacked)]
    return "\n".join(" & ".join(cells) + r" \\" for cells in lines if any(cells))


def _cell(row: Row, column: Column, layer: Layer) -> str:
    text = layer.texts[column.place]
    if not text:
        return ""
    style = {"value": "", "detail": r"\scriptsize ", "published": r"\scriptsize\itshape "}[layer.kind]
    if column.wraps:
        return rf"\raggedright {style}{breakable(text)}"
    if layer.kind == "value" and column.place - 1 in row.best:
        return rf"\textbf{{{escape(text)}}}"
    return style + escape(text)


def _notes(table: Table) -> _Piece:
    warnings = [f"Warning: {warning}" for warning in table.warnings]
    holes, more = table.holes[:_MOST_HOLES], len(table.holes) - _MOST_HOLES
    rest = [f"and {more} more runs without a result"] if more > 0 else []
    notes = [LEGEND, *table.footnotes, *warnings, *holes, *rest, f"{table.provenance}."]
    body = "\\par\n".join(map(breakable, notes))
    lines = sum(1 + len(note) // _NOTE_WIDTH for note in notes)
    return _Piece(
        text=rf"\begin{{minipage}}{{\linewidth}}\scriptsize\raggedright{chr(10)}{body}{chr(10)}\end{{minipage}}",
        height=1 + lines * _NOTE_LINE,
    )


def _unlisted(table: Table) -> str:
    """The holes that are only counted in the notes: for whoever reads the source."""
    return "".join(f"% {escape(hole)}\n" for hole in table.holes[_MOST_HOLES:])
