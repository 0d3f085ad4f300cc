"""Numbers in full precision, as CSV."""

from __future__ import annotations

import pandas as pd

from cu.reporting.render.escape import csv as escape


def csv(frame: pd.DataFrame) -> str:
    """A table as CSV; texts cannot be taken for formulas."""
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    safe = frame.assign(**{str(name): frame[name].map(_text, na_action="ignore") for name in texts})
    return safe.rename(columns=escape).to_csv(index=False)


def _text(value: object) -> object:
    return escape(value) if isinstance(value, str) else value
