"""A table as it is read: texts, ready for any markup."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method.

    Attributes:
        label: Its name and what sets it apart.
        seeds: Finished and expected seeds.
        cells: One text per column.
        values: The number behind each text in the column's unit, to sort by; NaN where there is none.
        best: Positions of bold columns.
        published: The published value and its difference per column, or empty.
    """

    label: str
    seeds: str
    cells: tuple[str, ...]
    values: tuple[float, ...]
    best: frozenset[int] = frozenset()
    published: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table, ready to be written in any markup; all text is plain Unicode."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    floor: Row | None
    footnotes: tuple[str, ...]
    warnings: tuple[str, ...]
    holes: tuple[str, ...]
    provenance: str

    @property
    def published_columns(self) -> tuple[int, ...]:
        """Positions of the columns that a published value stands beside."""
        named = [row.published for row in self.rows if row.published]
        return tuple(i for i in range(len(self.headings)) if any(texts[i] for texts in named))
