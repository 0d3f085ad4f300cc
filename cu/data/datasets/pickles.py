"""Pickles of data sets, read as data: nothing but arrays and plain types is ever made from them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from cu.data.datasets.files import corrupt

ARRAYS = {
    *((module, "_reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray")),
    *(("numpy", name) for name in ("ndarray", "dtype")),
}


def plain_pickle(path: Path) -> Any:
    """The content of a pickle of arrays and plain types, with text of Python 2 as latin-1.

    Raises:
        ConfigError: It is no such pickle; whatever else it names is not imported.
    """
    try:
        with path.open("rb") as file:
            return _Plain(file, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise corrupt(path, str(error)) from error


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return super().find_class(module, name)
