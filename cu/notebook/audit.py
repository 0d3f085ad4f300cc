"""What an audit found, as a notebook shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from cu.evaluation.comparison import Comparison
from cu.metrics.case import Case

if TYPE_CHECKING:
    import pandas as pd

    from cu.notebook.pictures import Picture

COLUMNS = ("original", "value", "ref", "gap", "floor", "direction", "status")


@dataclass(frozen=True, eq=False, repr=False)
class Audit:
    """What an audit found.

    Attributes:
        metrics: Each metric of the model beside the retrained models', by key.
        doubts: Why original or retrained models may not be what they are taken for; empty if nothing speaks against it.
        case: All outputs that metrics saw.
        class_names: By index.
    """

    metrics: Mapping[str, Comparison]
    doubts: tuple[str, ...]
    case: Case
    class_names: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per metric: `original`, `unlearned`, `retrained`, `gap`, `floor`, `direction`, `status`."""
        import pandas as pd

        rows = {key: [getattr(entry, name) for name in COLUMNS] for key, entry in self.metrics.items()}
        names = ["original", "unlearned", "retrained", *COLUMNS[3:]]
        return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("metric")

    def figures(self, *names: str) -> list[Picture]:
        """The figures of a report that one run has data for, or those of these names; a notebook shows them.

        Raises:
            ConfigError: There is no figure of that name.
        """
        from cu.notebook.pictures import pictures

        return pictures(self.case, self.metrics, self.class_names, names)

    def _known(self) -> pd.DataFrame:
        measured = self.to_frame()
        return measured.loc[measured["status"] == "ok"].drop(columns="status").dropna(axis="columns", how="all")

    def __repr__(self) -> str:
        told = "".join(f"Doubt: {line}\n" for line in self.doubts)
        return told + self._known().to_string(float_format="{:.3g}".format)

    def _repr_html_(self) -> str:
        told = "".join(f"<p><b>Doubt:</b> {escape(line)}</p>" for line in self.doubts)
        return told + self._known().to_html(float_format="{:.3g}".format)
