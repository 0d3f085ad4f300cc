"""Rows of arrays too large to be held: read when they are asked for, and worked through in pieces."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Numbers that a metric holds at a time, 64 MiB in float64; what is smaller is worked on in one piece.
PIECE = 1 << 23


class Rows(np.lib.mixins.NDArrayOperatorsMixin):
    """Some rows of an array, in float32 [n, D]; otherwise like an array, which it becomes wherever one is needed.

    Rows are read from the source at each use. Where that is a file mapped into memory, its pages are given back after
    each reading, so that they do not add up.

    Args:
        source: Floats [N, D].
        positions: int64 [n], rows of the source.
    """

    def __init__(self, source: NDArray[Any], positions: NDArray[Any]) -> None:
        self.source, self.positions = source, positions
        self.shape, self.dtype, self.ndim = (len(positions), *source.shape[1:]), np.dtype(np.float32), source.ndim

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        if isinstance(key, (slice, np.ndarray, list, int, np.integer)):
            return self._read(self.positions[key])
        return np.asarray(self)[key]

    def at(self, positions: NDArray[Any]) -> Rows:
        """The rows at `positions` (integers or a boolean mask [n]), not read yet."""
        return Rows(self.source, self.positions[positions])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._read(self.positions).astype(dtype or self.dtype, copy=False)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        arrays = (np.asarray(one) if isinstance(one, Rows) else one for one in inputs)
        return getattr(ufunc, method)(*arrays, **settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("source", "positions"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def _read(self, positions: NDArray[Any]) -> NDArray[Any]:
        found = self.source[positions].astype(np.float32)
        give_back(self.source)
        return found


NOT_KEPT = "needs embeddings, which were not kept"


class NotKeptError(Exception):
    """Somebody asked for outputs that were not kept."""


class NotKept:
    """Stands where an array would be that was not kept; whoever looks into it raises `NotKeptError`."""

    def __getattr__(self, name: str) -> Any:
        raise NotKeptError(NOT_KEPT)

    def __getitem__(self, key: Any) -> Any:
        raise NotKeptError(NOT_KEPT)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise NotKeptError(NOT_KEPT)


def give_back(array: NDArray[Any]) -> None:
    """Let go of a mapped file's pages in memory; they are read again when they are needed. Nothing else has any."""
    mapped = getattr(array, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def taken(array: Any, positions: NDArray[Any]) -> Any:
    """The rows of an array at `positions`; those of `Rows` are not read, and what was not kept stays so."""
    if isinstance(array, NotKept):
        return array
    return array.at(positions) if isinstance(array, Rows) else array[positions]


def joined(first: Any, second: Any) -> Any:
    """One array below another; rows of one source are not read."""
    if isinstance(first, Rows) and isinstance(second, Rows) and first.source is second.source:
        return Rows(first.source, np.concatenate([first.positions, second.positions]))
    if isinstance(first, NotKept):
        return first
    return np.concatenate([first, second])


def pieces(rows: int, width: int) -> Iterator[slice]:
    """Slices that cover so many rows of so many numbers, each of `PIECE` numbers at most; at least one slice."""
    step = max(1, PIECE // max(1, width))
    for start in range(0, max(1, rows), step):
        yield slice(start, start + step)


def rowwise(function: Callable[..., NDArray[Any]]) -> Callable[..., NDArray[Any]]:
    """A function of matrices [n, C] and vectors [n] to one number for each row, computed piece by piece."""

    @wraps(function)
    def whole(*arrays: ArrayLike) -> NDArray[Any]:
        parts = [array if isinstance(array, Rows) else np.asarray(array) for array in arrays]
        cuts = list(pieces(len(parts[0]), int(np.prod(parts[0].shape[1:]))))
        if len(cuts) == 1:
            return function(*map(np.asarray, parts))
        return np.concatenate([function(*(part[cut] for part in parts)) for cut in cuts])

    return whole
