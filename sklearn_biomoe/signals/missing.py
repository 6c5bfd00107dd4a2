"""Windows that are not there, because a sensor dropped out."""

from typing import Any

import numpy as np
import pandas as pd

from .._typing import Mask
from .windows import arrow_array, cell_columns, is_missing, is_polars_list


def missing_windows(X: Any) -> Mask:
    """Tell which windows are missing altogether.

    A window is missing where its cell is None, NaN, pandas' NA or null, or holds nothing but NaN;
    of a numeric row, or a window of a 3-D array, where all numbers are NaN; and of several columns
    of cells, the channels of one signal, where any of them is. A window with some NaN samples is
    not missing.

    Parameters
    ----------
    X : array-like, Series, list, DataFrame, Arrow or polars column
        Windows in any form that `read_windows` reads, or rows of features.

    Returns
    -------
    missing : ndarray of shape (n_windows,), bool

    Examples
    --------
    >>> import numpy as np
    >>> missing_windows([np.array([1.0, np.nan]), None, np.array([np.nan, np.nan])])
    array([False,  True,  True])
    >>> missing_windows(np.array([[1.0, np.nan], [np.nan, np.nan]]))
    array([False,  True])
    """
    columns = cell_columns(X)
    if columns is not None:
        return np.logical_or.reduce([_missing_cells(column) for column in columns])
    if hasattr(X, "isna"):  # pandas
        gaps = X.isna().to_numpy()
    else:
        numbers = np.asarray(X)
        gaps = np.isnan(numbers) if numbers.dtype.kind in "fc" else pd.isna(numbers)
    return gaps.reshape(len(gaps), -1).all(axis=1)


def _missing_cells(column: Any) -> Mask:
    if (arrow := arrow_array(column)) is not None:
        column, missing = arrow, arrow.is_null().to_numpy(zero_copy_only=False)
        ends = np.cumsum(arrow.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
        numbers = arrow.flatten().to_numpy(zero_copy_only=False)  # without those of null rows
        return missing | np.array([is_missing(cell) for cell in np.split(numbers, ends)[:-1]])
    cells = column.to_numpy() if is_polars_list(column) else column
    return np.array([is_missing(cell) for cell in cells], dtype=bool)
