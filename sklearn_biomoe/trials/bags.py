"""Bags: the windows of a trial as one row of X, read from every form they come in."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import (
    check_array,
    validate_data,
)

from .._typing import Array

KINDS = [np.float64, np.float32]


@dataclass(frozen=True)
class Bags:
    """Bags of windows, stacked below each other.

    Parameters
    ----------
    windows : ndarray of shape (n_windows, n_features), float64 or float32
        Rows of NaN are windows that are missing.
    lengths : ndarray of shape (n_bags,), int
        Windows of each bag.
    """

    windows: Array
    lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which windows are not there, (n_windows,)."""
        return np.isnan(self.windows[:, 0])  # some NaN in a row were refused

    @property
    def bag_of_window(self) -> NDArray[np.int64]:
        """Position of each window's bag, (n_windows,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def without_missing(self) -> Bags:
        """Return bags of the windows that are there."""
        there = ~self.missing
        lengths = np.bincount(self.bag_of_window[there], minlength=len(self))
        return Bags(self.windows[there], lengths)

    def split(self, values: Array) -> list[Array]:
        """Part values of windows by bag."""
        return np.split(values, np.cumsum(self.lengths)[:-1])


def validate_bags(estimator: Any, X: Any, *, reset: bool) -> Bags:
    """Read X for an estimator with a ``window_size``, and hold it to what was seen in `fit`.

    Sets ``n_window_features_`` and ``n_features_in_`` where ``reset``.

    Parameters
    ----------
    estimator : estimator
    X : array-like
        Bags in any form that `sklearn_biomoe.trials.TrialAggregator` describes.
    reset : bool
        Whether this is `fit`.

    Returns
    -------
    bags : Bags
        Of one window or more each.

    Raises
    ------
    ValueError
        For bags of another shape, without windows, with other features than in `fit`, or with
        windows that hold infinity or NaN among numbers.
    """
    cells = _cells(X)
    if cells is not None:
        bags = _stack(cells)
        if reset:
            estimator.n_features_in_ = bags.windows.shape[1]
            vars(estimator).pop("feature_names_in_", None)
    else:
        X = validate_data(estimator, X, reset=reset, dtype=KINDS, ensure_all_finite=False)
        bags = _side_by_side(X, estimator.window_size)
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


def aggregate(values: Array, lengths: NDArray[np.int64], how: str) -> Array:
    """Reduce values of windows, (n_windows, n), to one row per bag, (n_bags, n).

    Examples
    --------
    >>> values = np.array([[1.0, 0.0], [3.0, 4.0], [5.0, 5.0]])
    >>> aggregate(values, np.array([2, 1]), "mean")
    array([[2., 2.],
           [5., 5.]])
    """
    starts = np.cumsum(lengths) - lengths
    if how == "max":
        return np.maximum.reduceat(values, starts, axis=0)
    sums = np.add.reduceat(values, starts, axis=0, dtype=np.float64)
    return (sums / lengths[:, None]).astype(values.dtype, copy=False)


def _cells(X: Any) -> list[Any] | None:
    """One (n_windows, n_features) of each bag, or None where X is a table of numbers."""
    if isinstance(X, pd.DataFrame):
        X = X.iloc[:, 0] if X.shape[1] == 1 else X
    if isinstance(X, pd.DataFrame) or not isinstance(X, list | tuple | np.ndarray | pd.Series):
        return None
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 2 and X.shape[1] == 1:
        X = X[:, 0]
    if isinstance(X, np.ndarray) and X.ndim == 3:
        return list(X)
    cells = list(X)
    return cells if any(_is_bag(cell) for cell in cells) else None


def _is_bag(cell: Any) -> bool:
    if isinstance(cell, list | tuple):
        return len(cell) > 0 and isinstance(cell[0], list | tuple | np.ndarray)
    return getattr(cell, "ndim", 0) == 2


def _stack(cells: list[Any]) -> Bags:
    arrays = [_read_cell(position, cell) for position, cell in enumerate(cells)]
    n_features = arrays[0].shape[1]
    for position, array in enumerate(arrays):
        if array.shape[1] != n_features:
            raise ValueError(
                f"Windows of bag {position} have {array.shape[1]} features, those of bag 0 have "
                f"{n_features}; all windows have the same."
            )
    # At once: checks take longer than what is in most bags.
    windows = check_array(np.concatenate(arrays), dtype=KINDS, ensure_all_finite=False)
    return Bags(windows, np.array([len(array) for array in arrays]))


def _read_cell(position: int, cell: Any) -> Array:
    if cell is None or (np.ndim(cell) == 0 and pd.isna(cell)) or len(cell) == 0:
        raise _without_windows(position)
    array = np.asarray(cell)
    if array.ndim != 2:
        raise ValueError(
            f"Bag {position} has shape {array.shape}; expected (n_windows, n_features), a row "
            "for each window."
        )
    return array


def _side_by_side(X: Array, window_size: Any) -> Bags:
    """(n_bags, n_windows x window_size) -> Bags of n_windows each."""
    size = X.shape[1] if window_size is None else window_size
    if not isinstance(size, Integral) or size < 1:
        raise ValueError(f"window_size={size!r}; expected an integer of 1 or more, or None.")
    if X.shape[1] % size:
        raise ValueError(
            f"X has {X.shape[1]} columns, which are no whole number of windows of {size}; set "
            "window_size to the features of one window, or give a list of arrays."
        )
    n_windows = X.shape[1] // int(size)
    return Bags(X.reshape(-1, int(size)), np.full(len(X), n_windows))


def _check_windows(bags: Bags) -> None:
    """Refuse windows with infinity, or with NaN among numbers, and bags without windows."""
    gaps = np.isnan(bags.windows)
    n_gaps, n_infinite = gaps.sum(axis=1), np.isinf(bags.windows).sum(axis=1)
    n_features = gaps.shape[1]
    bad = np.flatnonzero(((n_gaps > 0) & (n_gaps < n_features)) | (n_infinite > 0))
    if bad.size:
        row = int(bad[0])
        bag = int(bags.bag_of_window[row])
        within = row - int(bags.lengths[:bag].sum())
        held = f"{n_infinite[row]} inf" if n_infinite[row] else f"{n_gaps[row]} NaN"
        raise ValueError(
            f"Window {within} of bag {bag} holds {held} of {n_features} features; impute them, or "
            "make all of them NaN: then the window counts as missing."
        )
    empty = np.flatnonzero(bags.without_missing().lengths == 0)
    if empty.size:
        raise _without_windows(int(empty[0]))


def _without_windows(position: int) -> ValueError:
    return ValueError(
        f"Bag {position} has no windows, or none but missing ones (rows of NaN); drop it, and its "
        "y and groups."
    )
