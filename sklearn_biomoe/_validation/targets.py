"""What is to be predicted of each row of X."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import _num_samples, column_or_1d


def read_targets(y: Any, X: Any, name: str) -> NDArray[Any]:
    """Return one target for each row of X; refuse gaps.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
    X : array-like of n_rows
    name : str
        Of the estimator.

    Returns
    -------
    targets : ndarray of shape (n_rows,)

    Raises
    ------
    ValueError
        Where y is None, has another length than X, or holds NaN, None or infinity.

    Examples
    --------
    >>> read_targets([1, 0], [["a"]], "Estimator")
    Traceback (most recent call last):
    ...
    ValueError: y has 2 targets, but X has 1 rows; give one for each row, in the same order.
    """
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    targets: NDArray[Any] = column_or_1d(y, warn=True)
    if len(targets) != _num_samples(X):
        raise ValueError(
            f"y has {len(targets)} targets, but X has {_num_samples(X)} rows; give one for each "
            "row, in the same order."
        )
    check_there("y", targets)
    if targets.dtype.kind == "f" and np.isinf(targets).any():
        row = int(np.isinf(targets).argmax())
        raise ValueError(
            "Input y contains infinity or a value too large for dtype('float64') in row "
            f"{row}; drop such rows, or correct y."
        )
    return targets


def read_values(y: Any, X: Any, name: str) -> NDArray[np.float64]:
    """Return one number for each row of X; refuse gaps, and what is no number.

    Parameters
    ----------
    y, X, name
        As `read_targets` takes them.

    Returns
    -------
    values : ndarray of shape (n_rows,), float64

    Raises
    ------
    ValueError
        As `read_targets` does, and for what is no number.

    Examples
    --------
    >>> read_values([1, "high"], [["a"], ["b"]], "Estimator")
    Traceback (most recent call last):
    ...
    ValueError: y holds 'high' in row 1; Estimator predicts numbers.
    """
    targets = read_targets(y, X, name)
    values = pd.to_numeric(pd.Series(targets), errors="coerce").to_numpy(np.float64)
    if np.isnan(values).any():
        row = int(np.isnan(values).argmax())
        raise ValueError(f"y holds {str(targets[row])!r} in row {row}; {name} predicts numbers.")
    return values


def check_there(parameter: str, values: NDArray[Any]) -> None:
    """Refuse NaN and None in scikit-learn's words, and name the first row that has one.

    Examples
    --------
    >>> check_there("groups", np.array(["S01", None]))
    Traceback (most recent call last):
    ...
    ValueError: Input groups contains NaN or None in row 1 (1 of 2 rows); drop or fill them.
    """
    missing = pd.isna(values)
    if missing.any():
        raise ValueError(
            f"Input {parameter} contains NaN or None in row {int(missing.argmax())} "
            f"({missing.sum()} of {len(values)} rows); drop or fill them."
        )
