"""Plain text as LaTeX prints it."""

from __future__ import annotations

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
    "—": "---",
    "…": r"\ldots{}",
    "→": r"$\rightarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "∞": r"$\infty$",
    "≈": r"$\approx$",
    "†": r"$\dagger$",
}
_JOINTS = ("/", r"\_", "=", ".")


def escape(text: str) -> str:
    r"""Text that LaTeX prints as it stands; a character its default fonts lack becomes its code point."""
    return "".join(_LATEX.get(c, c if _printable(c) else rf"\texttt{{U+{ord(c):04X}}}") for c in text)


def breakable(text: str) -> str:
    """The same, where a line may also end within paths and names."""
    escaped = escape(text)
    for joint in _JOINTS:
        escaped = escaped.replace(joint, joint + r"\allowbreak{}")
    return escaped


def _printable(character: str) -> bool:
    accented = "À" <= character <= "ÿ" and character not in "ÐðÞþ"
    return accented or (character.isascii() and character.isprintable())
