"""Containers of windows: columns whose cells are arrays, in pandas, Arrow, polars and lists."""

from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array, Mask


def cell_columns(X: Any) -> list[Any] | None:
    """Split ``X`` into columns whose cells are arrays; None if ``X`` consists of numbers."""
    if isinstance(X, pd.DataFrame):
        if not any(dtype.kind == "O" for dtype in X.dtypes):
            return None  # without a look at each of thousands of columns
        columns = [X.iloc[:, position] for position in range(X.shape[1])]
    elif hasattr(X, "get_columns"):  # polars
        columns = X.get_columns()
    elif hasattr(X, "columns"):  # Arrow
        columns = X.columns
    elif isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 2:
        columns = list(X.T)
    else:
        columns = [X]
    empty = [_is_empty_column(column) for column in columns]
    has_arrays = any(
        _holds_arrays(column)
        for column, is_empty in zip(columns, empty, strict=True)
        if not is_empty
    )
    return columns if has_arrays or all(empty) else None


def column_cells(column: Any) -> list[Any]:
    """Return the cells of a column, None for null cells of an Arrow or polars column."""
    if (arrow := _arrow_lists(column)) is not None:
        return _arrow_cells(arrow)
    return list(column.to_numpy() if _is_polars_lists(column) else column)


def missing_windows(X: Any) -> Mask:
    """Return which windows are missing entirely.

    A window is missing if its cell is None, NaN, pandas' NA or null, or holds only NaN; in a
    numeric array, if all its numbers are NaN; in several columns of cells, which are the channels
    of one signal, if any of them is missing. A window with some NaN samples is not missing.

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
        cells = [list(map(is_missing, column_cells(column))) for column in columns]
        return np.logical_or.reduce(np.array(cells, dtype=bool))
    if hasattr(X, "isna"):  # pandas
        missing = X.isna().to_numpy()
    else:
        numbers = np.asarray(X)
        missing = np.isnan(numbers) if numbers.dtype.kind in "fc" else pd.isna(numbers)
    return missing.reshape(len(missing), -1).all(axis=1)


def is_missing(cell: Any) -> bool:
    """Return whether a cell holds no window: None, NaN, NA or null, or only NaN samples."""
    if not np.ndim(cell):
        return bool(pd.isna(cell))
    samples = np.asarray(cell)
    return samples.size > 0 and samples.dtype.kind in "fO" and bool(np.all(pd.isna(samples)))


def _holds_arrays(column: Any) -> bool:
    if _arrow_lists(column) is not None or _is_polars_lists(column) or _is_empty_column(column):
        return True
    if isinstance(column, list | tuple):
        # Lists of numbers of equal length are a matrix, as everywhere in scikit-learn.
        return any(isinstance(cell, np.ndarray) for cell in column) or (
            bool(column)
            and isinstance(column[0], list | tuple)
            and len({np.size(cell) for cell in column}) > 1
        )
    if isinstance(column, np.ndarray) and (column.dtype.kind != "O" or column.ndim != 1):
        return False
    return getattr(column, "dtype", None) == np.dtype(object) and any(map(np.ndim, column))


def _is_empty_column(column: Any) -> bool:
    """Whether a column holds only missing cells, as for a subject whose sensor never worked."""
    if isinstance(column, list | tuple):
        scalars = all(np.isscalar(cell) or cell is None or cell is pd.NA for cell in column)
        column = np.array(column, dtype=object) if scalars else np.empty(0)
    if not isinstance(column, pd.Series | np.ndarray) or column.ndim != 1:
        return False
    return len(column) > 0 and bool(np.all(pd.isna(np.asarray(column))))


def _is_polars_lists(column: Any) -> bool:
    """Whether a column is a polars Series whose cells are lists."""
    return type(column).__module__.startswith("polars") and str(column.dtype).startswith(
        ("List", "Array")
    )


def _arrow_lists(column: Any) -> Any | None:
    """Return the Arrow list array behind an Arrow or Arrow-backed pandas column, else None."""
    in_pandas = isinstance(column, pd.Series) and isinstance(column.dtype, pd.ArrowDtype)
    if not in_pandas and not type(column).__module__.startswith("pyarrow"):
        return None
    import pyarrow as pa

    if in_pandas:
        column = pa.array(column)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return column if any(is_kind(column.type) for is_kind in kinds) else None


def _arrow_cells(column: Any) -> list[Array | None]:
    """Split the values of an Arrow list array into views, one per row; None for null rows."""
    # flatten() respects slices (values does not) and drops the values of null rows.
    values = column.flatten().to_numpy(zero_copy_only=False)
    ends = np.cumsum(column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
    null = column.is_null().to_numpy(zero_copy_only=False)
    cells = np.split(values, ends)[:-1]
    return [None if is_null else cell for cell, is_null in zip(cells, null, strict=True)]
