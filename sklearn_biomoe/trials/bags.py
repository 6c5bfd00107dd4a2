"""Bags: all windows of a trial as one row of X, read from every accepted form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array, validate_data

from .._typing import Array, Mask, Rows
from .._validation.parameters import check_integer

AGGREGATIONS = ["mean", "max"]
DTYPES = [np.float64, np.float32]
IMPUTE = "impute them, or set the whole window to NaN, which marks it as missing."


@dataclass(frozen=True)
class Bags:
    """Bags of windows, concatenated.

    Parameters
    ----------
    windows : ndarray of shape (n_windows, n_features), float64 or float32
        Rows of NaN are missing windows.
    lengths : ndarray of shape (n_bags,), int
        Number of windows of each bag.
    """

    windows: Array
    lengths: Rows

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def bag_of_window(self) -> Rows:
        """Position of each window's bag, (n_windows,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def without_missing(self) -> Bags:
        """Return the bags without their missing windows."""
        present = ~np.isnan(self.windows[:, 0])  # windows with some NaN are refused
        lengths = np.bincount(self.bag_of_window[present], minlength=len(self))
        return Bags(self.windows[present], lengths)

    def aggregate(self, how: str) -> Array:
        """Return the "mean" or "max" of each bag, (n_bags, n_features).

        Examples
        --------
        >>> Bags(np.array([[1.0, 0.0], [3.0, 4.0], [5.0, 5.0]]), np.array([2, 1])).aggregate("mean")
        array([[2., 2.],
               [5., 5.]])
        """
        starts = np.cumsum(self.lengths) - self.lengths
        if how == "max":
            return np.maximum.reduceat(self.windows, starts, axis=0)
        sums = np.add.reduceat(self.windows, starts, axis=0, dtype=np.float64)
        return (sums / self.lengths[:, None]).astype(self.windows.dtype, copy=False)

    def to_cells(self) -> Array:
        """Return an object array, (n_bags,), whose cells are (n_windows, n_features)."""
        cells = np.empty(len(self), dtype=object)
        for position, windows in enumerate(np.split(self.windows, np.cumsum(self.lengths)[:-1])):
            cells[position] = (
                windows  # assigned one by one, as equal lengths would make a 3-D array
            )
        return cells


def validate_bags(estimator: Any, X: Any, *, reset: bool) -> Bags:
    """Read bags in any form for an estimator that has a ``window_size``.

    Sets ``n_window_features_`` and ``n_features_in_`` if ``reset``, which is True in `fit`, else
    compares X with them. Each returned bag has at least one window that is not missing.
    """
    cells = _bag_cells(X)
    if cells is not None:
        bags = _concatenate(cells)
        if reset:
            estimator.n_features_in_ = bags.windows.shape[1]
            vars(estimator).pop("feature_names_in_", None)
    else:
        X = validate_data(estimator, X, reset=reset, dtype=DTYPES, ensure_all_finite=False)
        bags = _cut_rows(X, estimator.window_size)
    n_features = bags.windows.shape[1]
    if reset:
        estimator.n_window_features_ = n_features
    elif n_features != estimator.n_window_features_:
        raise ValueError(
            f"Windows have {n_features} features, but {type(estimator).__name__} was fitted with "
            f"windows of {estimator.n_window_features_}."
        )
    _check_windows(bags)
    return bags


def partly_missing(windows: Array) -> Mask:
    """Return which windows have some NaN, but not only NaN, (n_windows,)."""
    n_missing = np.isnan(windows).sum(axis=1)
    return (n_missing > 0) & (n_missing < windows.shape[1])


def _bag_cells(X: Any) -> list[Any] | None:
    """Return the cells, (n_windows, n_features) each, or None if X is a table of numbers."""
    if isinstance(X, pd.DataFrame) and X.shape[1] == 1:
        X = X.iloc[:, 0]
    if not isinstance(X, list | tuple | np.ndarray | pd.Series):
        return None
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 2 and X.shape[1] == 1:
        X = X[:, 0]
    cells = list(X)
    return cells if any(_is_bag(cell) for cell in cells) else None


def _is_bag(cell: Any) -> bool:
    if isinstance(cell, list | tuple):
        return len(cell) > 0 and isinstance(cell[0], list | tuple | np.ndarray)
    return getattr(cell, "ndim", 0) == 2


def _concatenate(cells: list[Any]) -> Bags:
    arrays = [_read_cell(position, cell) for position, cell in enumerate(cells)]
    n_features = arrays[0].shape[1]
    for position, array in enumerate(arrays):
        if array.shape[1] != n_features:
            raise ValueError(
                f"Windows of bag {position} have {array.shape[1]} features, but those of bag 0 "
                f"have {n_features}; all windows must have the same number."
            )
    # One check of all windows: checking each bag would take longer than the computation.
    windows = check_array(np.concatenate(arrays), dtype=DTYPES, ensure_all_finite=False)
    return Bags(windows, np.array([len(array) for array in arrays]))


def _read_cell(position: int, cell: Any) -> Array:
    if cell is None or (np.ndim(cell) == 0 and pd.isna(cell)) or len(cell) == 0:
        raise _no_windows(position)
    array = np.asarray(cell)
    if array.ndim != 2:
        raise ValueError(
            f"Bag {position} has shape {array.shape}; expected (n_windows, n_features)."
        )
    return array


def _cut_rows(X: Array, window_size: Any) -> Bags:
    """Cut rows, (n_bags, n_windows x window_size), into windows."""
    if window_size is None:
        return Bags(X, np.ones(len(X), dtype=np.int64))
    check_integer("window_size", window_size, alternative="None")
    n_windows, rest = divmod(X.shape[1], int(window_size))
    if rest:
        raise ValueError(
            f"X has {X.shape[1]} columns, which is not a multiple of window_size={window_size}; "
            "set window_size to the number of features of one window, or pass a list of arrays."
        )
    return Bags(X.reshape(-1, int(window_size)), np.full(len(X), n_windows))


def _check_windows(bags: Bags) -> None:
    """Refuse windows with infinity or some NaN, and bags without windows."""
    infinite = np.isinf(bags.windows)
    bad = np.flatnonzero(partly_missing(bags.windows) | infinite.any(axis=1))
    if bad.size:
        row = int(bad[0])
        bag = int(bags.bag_of_window[row])
        within = row - int(bags.lengths[:bag].sum())
        n_infinite, n_nan = infinite[row].sum(), np.isnan(bags.windows[row]).sum()
        found = f"{n_infinite} inf" if n_infinite else f"{n_nan} NaN"
        raise ValueError(
            f"Window {within} of bag {bag} has {found} in {infinite.shape[1]} features; {IMPUTE}"
        )
    empty = np.flatnonzero(bags.without_missing().lengths == 0)
    if empty.size:
        raise _no_windows(int(empty[0]))


def _no_windows(position: int) -> ValueError:
    return ValueError(
        f"Bag {position} has no windows, or only missing ones (rows of NaN); drop it, and its "
        "entries in y and groups."
    )
