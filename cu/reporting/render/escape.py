r"""Names and messages of others as text that each medium shows and none obeys. One function per medium.

A run folder may come from anybody: a class may be called `=cmd|...`, `\input{...}`, `<script>` or an escape sequence.
"""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup

_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
_LATEX = {
    "\\": r"\textbackslash{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    # After a line's end, brackets and stars would be taken for its arguments.
    **{c: f"{{{c}}}" for c in "[]*"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "—": "---",
    "’": "'",
    "…": r"\ldots{}",
    "→": r"$\rightarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "∞": r"$\infty$",
    "≈": r"$\approx$",
    "†": r"$\dagger$",
    "○": r"$\circ$",
}
# What would begin a quotation, heading, list or rule at the start of a line.
_BLOCK = r"^\s*(?=>|#{1,6}(?:\s|$)|[+-](?:\s|$)|=+\s*$|-+\s*$)|^\s*\d+(?=[.)](?:\s|$))"
_JOINTS = ("/", r"\_", "=", ".")


def visible(text: object) -> str:
    """One line in which nothing is hidden: blanks for line ends, code points for controls and turned directions."""
    return "".join(c if c.isprintable() or c == " " else _seen(c) for c in str(text))


def _seen(character: str) -> str:
    if character in "\n\r\t\v\f\x85\u2028\u2029":
        return " "
    known = unicodedata.category(character) in _UNSEEN
    return f"[U+{ord(character):04X}]" if known else " "


def terminal(text: object) -> str:
    """For a terminal: no sequence moves the cursor, rings, or turns the direction of reading."""
    return visible(text)


def log(text: object, longest: int = 2000) -> str:
    """For a log: one entry is one line, of bounded length."""
    line = visible(text)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def html(text: object) -> Markup:
    """For HTML and XML, also inside attributes; markup of our own stays as it is."""
    return text if isinstance(text, Markup) else Markup.escape(visible(text))


def markdown(text: object) -> str:
    """For GitHub's Markdown, also inside tables: no link, image, emphasis, code, formula, HTML or list."""
    line = re.sub(r"[\\`*$<|~]", lambda match: "\\" + match[0], visible(text))
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
    line = re.sub(r"\](?=[\[(:])", r"\\]", line)
    line = re.sub(r"&(?=#?\w+;)", r"\\&", line)
    line = re.sub(r"(?i)(https?|ftp|mailto|xmpp)(?=:)", r"\1\\", line)
    line = re.sub(r"(?i)\bwww(?=\.)", r"\g<0>\\", line)
    line = re.sub(r"(?<=\w)@(?=\w)", r"\\@", line)
    return re.sub(_BLOCK, lambda match: match[0] + "\\", line)


def csv(text: object) -> str:
    """For CSV: an apostrophe in front of what a spreadsheet would take for a formula (OWASP)."""
    line = visible(text)
    return f"'{line}" if line.lstrip().startswith(_FORMULA) else line


def latex(text: object) -> str:
    r"""For LaTeX, printed as it stands; a character its default fonts lack becomes its code point."""
    return "".join(_LATEX.get(c, c if _in_fonts(c) else rf"\texttt{{U+{ord(c):04X}}}") for c in visible(text))


def breakable(text: object) -> str:
    """The same, where a line may also end within paths and names."""
    escaped = latex(text)
    for joint in _JOINTS:
        escaped = escaped.replace(joint, joint + r"\allowbreak{}")
    return escaped


def _in_fonts(character: str) -> bool:
    accented = "À" <= character <= "ÿ" and character not in "ÐðÞþ"
    return accented or (character.isascii() and character.isprintable())
