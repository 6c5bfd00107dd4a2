"""The one door that reads windows in every form.

Whatever container windows come in, `read_windows` returns the same thing: ``signals``, indexable by
window, whose items have shape (n_channels, n_times). It is a 3-D array where all windows have the
same length, else a 1-D object array of 2-D arrays.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

Signals = NDArray[Any]  # (n_windows, n_channels, n_times), or (n_windows,) of (n_channels, n_times)


def read_windows(X: Any, *, modality: str, allow_nan: bool = False) -> Signals:
    """Read windows in any supported form.

    Parameters
    ----------
    X : array-like, Series, list, DataFrame, Arrow or polars column
        One of: numbers of shape (n_windows, n_times) or (n_windows, n_channels, n_times), wide
        numeric DataFrame columns among them; a list, object array, Series, Arrow array or polars
        Series whose items are arrays of shape (n_times,) or (n_channels, n_times) that may differ
        in n_times; a frame or table of such columns, each of them a channel.
    modality : str
        Named in error messages.
    allow_nan : bool, default=False
        Let single NaN samples through. Infinity is refused all the same.

    Returns
    -------
    signals : ndarray
        float32 or float64, as given (other types become float64): of shape (n_windows, n_channels,
        n_times), or where lengths differ (n_windows,) of dtype object holding arrays of shape
        (n_channels, n_times). Windows that are missing (see `missing_windows`) are NaN throughout;
        in place of a cell they are as long as the first that is there.

    Raises
    ------
    ValueError
        For empty, zero-length, complex, more than 3-D or non-finite windows, cells that are no
        array of numbers, and windows whose number of channels differs; the row is named.

    Examples
    --------
    >>> import numpy as np
    >>> read_windows(np.zeros((5, 240)), modality="eda").shape
    (5, 1, 240)
    >>> ragged = read_windows([np.zeros(240), np.zeros(200)], modality="eda")
    >>> [window.shape for window in ragged]
    [(1, 240), (1, 200)]
    """
    _refuse_nothing(X, modality)
    columns = cell_columns(X)
    signals = _from_numbers(X) if columns is None else _from_columns(columns, modality)
    _refuse_non_finite(signals, modality, allow_nan)
    return signals


def validate_windows(
    estimator: BaseEstimator, X: Any, *, modality: str, reset: bool, allow_nan: bool = False
) -> Signals:
    """Read windows for an estimator that remembers, and then expects, the form seen in `fit`.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_channels_``, ``n_times_`` (of the first window that is there), ``n_features_in_``
        (n_times of 2-D, n_channels of 3-D input, else columns of cells) and, from frames with
        string names, ``feature_names_in_``.
    X : array-like, Series, list, DataFrame, Arrow or polars column
        As in `read_windows`.
    modality : str
        Named in error messages.
    reset : bool
        True in `fit`; False to compare with what `fit` saw.
    allow_nan : bool, default=False
        Let NaN samples through.

    Returns
    -------
    signals : ndarray
        As from `read_windows`.

    Raises
    ------
    ValueError
        Where `read_windows` does, for another number of columns or channels than in `fit`, and
        where all windows are missing in `fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> estimator = BaseEstimator()
    >>> validate_windows(estimator, np.zeros((5, 240)), modality="eda", reset=True).shape
    (5, 1, 240)
    >>> estimator.n_features_in_, estimator.n_channels_
    (240, 1)
    """
    _refuse_nothing(X, modality)
    if cell_columns(X) is None:
        X = validate_data(
            estimator,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            allow_nd=True,
            ensure_all_finite=False,
        )
    elif hasattr(X, "columns"):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    elif reset:
        estimator.n_features_in_ = 1
    signals = read_windows(X, modality=modality, allow_nan=allow_nan)
    there = np.flatnonzero(~missing_rows(signals))
    if not len(there):
        return _all_missing(estimator, signals, modality, reset)
    n_channels, n_times = signals[there[0]].shape
    if reset:
        estimator.n_channels_ = n_channels
        estimator.n_times_ = n_times
    elif n_channels != estimator.n_channels_:
        raise ValueError(
            f"Windows of modality {modality!r} have {n_channels} channels, but "
            f"{type(estimator).__name__} was fitted with {estimator.n_channels_}."
        )
    return signals


def _all_missing(estimator: BaseEstimator, signals: Signals, modality: str, reset: bool) -> Signals:
    """Windows of NaN in the shape of those that `fit` saw, which cells alone do not tell."""
    if reset:
        raise ValueError(
            f"All {len(signals)} windows of modality {modality!r} are missing; "
            f"{type(estimator).__name__} needs one or more in fit."
        )
    shape = (len(signals), estimator.n_channels_, estimator.n_times_)
    return np.full(shape, np.nan, dtype=signals[0].dtype)


def missing_rows(signals: Signals) -> NDArray[np.bool_]:
    """Tell which of the windows that were read are missing: those of NaN alone."""
    if signals.dtype.kind != "O":
        missing: NDArray[np.bool_] = np.isnan(signals[:, 0, 0])  # few are left to look at
        missing[missing] = np.isnan(signals[missing]).all(axis=(1, 2))
        return missing
    return np.array([bool(np.isnan(window).all()) for window in signals])


def cell_columns(X: Any) -> list[Any] | None:
    """Split ``X`` into columns whose cells are arrays; None where ``X`` is made of numbers."""
    if isinstance(X, pd.DataFrame):
        if not any(dtype.kind == "O" for dtype in X.dtypes):
            return None  # wide frames are read at once, not by their thousands of columns
        columns = [X.iloc[:, position] for position in range(X.shape[1])]
    elif hasattr(X, "get_columns"):  # polars
        columns = X.get_columns()
    elif hasattr(X, "columns"):  # Arrow
        columns = X.columns
    elif isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 2:
        columns = list(X.T)
    else:
        columns = [X]
    return columns if any(_holds_arrays(column) for column in columns) else None


def shortest_window(signals: Signals) -> tuple[int, int]:
    """Return the row and the number of samples of the first of the shortest windows."""
    there = np.flatnonzero(~missing_rows(signals))
    if not len(there):
        return 0, signals[0].shape[-1]
    row = min(there, key=lambda at: signals[at].shape[-1])
    return int(row), signals[row].shape[-1]


def prepare_windows(signals: Signals, prepare: Callable[[NDArray[Any]], NDArray[Any]]) -> Signals:
    """Prepare windows, all those of one length at once; what is missing stays so."""
    missing = np.flatnonzero(missing_rows(signals))
    if len(missing):  # no step is to meet NaN, but each decides about shapes
        signals = signals.copy()
    for row in missing:
        signals[row] = np.zeros_like(signals[row])
    prepared = _by_length(signals, prepare) if signals.dtype.kind == "O" else prepare(signals)
    for row in missing:
        prepared[row] = np.full_like(prepared[row], np.nan)
    return prepared


def _by_length(signals: Signals, prepare: Callable[[NDArray[Any]], NDArray[Any]]) -> Signals:
    lengths = np.array([window.shape[-1] for window in signals])
    prepared = np.empty(len(signals), dtype=object)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for row, window in zip(rows, prepare(np.stack(list(signals[rows]))), strict=True):
            prepared[row] = window
    return prepared


def label_windows(
    windows: list[NDArray[Any]], X: pd.DataFrame | pd.Series, *, modality: str
) -> pd.Series:
    """Put windows into cells, labelled like the rows of ``X`` and named like its only column."""
    name = X.name if isinstance(X, pd.Series) else X.columns[0] if X.shape[1] == 1 else modality
    return pd.Series(windows, index=X.index, name=name, dtype=object)


def _holds_arrays(column: Any) -> bool:
    if arrow_array(column) is not None or is_polars_list(column) or _holds_nothing(column):
        return True
    if isinstance(column, list | tuple):
        # Equally long lists of numbers are a matrix, as everywhere in scikit-learn.
        return any(isinstance(cell, np.ndarray) for cell in column) or (
            bool(column)
            and isinstance(column[0], list | tuple)
            and len({np.size(cell) for cell in column}) > 1
        )
    if isinstance(column, np.ndarray) and (column.dtype.kind != "O" or column.ndim != 1):
        return False
    return getattr(column, "dtype", None) == np.dtype(object) and any(map(np.ndim, column))


def _holds_nothing(column: Any) -> bool:
    """Whether it is a column of gaps alone, as of a subject whose sensor never worked."""
    if isinstance(column, list | tuple):
        scalars = all(np.isscalar(cell) or cell is None or cell is pd.NA for cell in column)
        column = np.array(column, dtype=object) if scalars else np.empty(0)
    if not isinstance(column, pd.Series | np.ndarray) or column.ndim != 1:
        return False
    return len(column) > 0 and bool(np.all(pd.isna(np.asarray(column))))


def is_polars_list(column: Any) -> bool:
    """Tell polars Series whose cells are lists."""
    return type(column).__module__.startswith("polars") and str(column.dtype).startswith(
        ("List", "Array")
    )


def arrow_array(column: Any) -> Any | None:
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


def _arrow_cells(column: Any) -> list[NDArray[Any] | None]:
    """Cut the values of an Arrow list array into views, one per row; None for null rows."""
    # flatten() respects slices (values does not) and drops the values of null rows.
    values = column.flatten()
    ends = np.cumsum(column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
    numbers = values.to_numpy(zero_copy_only=False)
    missing = column.is_null().to_numpy(zero_copy_only=False)
    cells = np.split(numbers, ends)[:-1]
    return [None if gap else cell for cell, gap in zip(cells, missing, strict=True)]


def _refuse_nothing(X: Any, modality: str) -> None:
    """Refuse containers without windows, of which scikit-learn tells less than of arrays."""
    if isinstance(X, list | tuple | pd.Series | pd.DataFrame) and not len(X):
        raise ValueError(
            f"Found 0 sample(s) of modality {modality!r} while a minimum of 1 is required."
        )


def _from_numbers(X: Any) -> Signals:
    numbers = check_array(X, dtype=[np.float64, np.float32], allow_nd=True, ensure_all_finite=False)
    if numbers.ndim > 3:
        raise ValueError(
            f"Found array with dim {numbers.ndim}, while dim <= 3 is required: windows have shape "
            "(n_windows, n_times) or (n_windows, n_channels, n_times)."
        )
    if numbers.size == 0:
        raise ValueError(f"Found windows without samples (shape={numbers.shape}).")
    numbers = numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
    return numbers if numbers.ndim == 3 else numbers[:, None, :]


def _from_columns(columns: list[Any], modality: str) -> Signals:
    channels = [_read_cells(column, modality) for column in columns]
    if not channels[0]:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
    joined = [
        None if any(cell is None for cell in cells) else _join_channels(row, cells, modality)
        for row, cells in enumerate(zip(*channels, strict=True))
    ]
    example = next((window for window in joined if window is not None), np.zeros((1, 1)))
    rows = [np.full_like(example, np.nan) if window is None else window for window in joined]
    n_channels = {row.shape[0] for row in rows}
    if len(n_channels) > 1:
        raise ValueError(
            f"Windows of modality {modality!r} have {sorted(n_channels)} channels; "
            "every window needs the same number."
        )
    if len({row.shape for row in rows}) == 1:
        return np.stack(rows)
    signals = np.empty(len(rows), dtype=object)
    for row, window in enumerate(rows):
        signals[row] = window
    return signals


def _read_cells(column: Any, modality: str) -> list[NDArray[Any] | None]:
    arrow = arrow_array(column)
    if arrow is not None:
        cells = _arrow_cells(arrow)
    elif is_polars_list(column):
        cells = column.to_numpy()
    else:
        cells = column
    return [_read_cell(row, cell, modality) for row, cell in enumerate(cells)]


def is_missing(cell: Any) -> bool:
    """Tell whether a cell holds no window: None, NaN, NA or null, or nothing but NaN."""
    if not np.ndim(cell):
        return bool(pd.isna(cell))
    samples = np.asarray(cell)
    return samples.size > 0 and samples.dtype.kind in "fO" and bool(np.all(pd.isna(samples)))


def _read_cell(row: int, cell: Any, modality: str) -> NDArray[Any] | None:
    """One window as float (n_channels, n_times); None where it is missing."""
    if is_missing(cell):
        return None
    if np.ndim(cell) not in (1, 2):
        raise ValueError(_cell_message(row, modality, cell))
    samples = np.asarray(cell)
    if samples.dtype.kind not in "fiubO":
        raise ValueError(_cell_message(row, modality, cell))
    if samples.dtype not in (np.float32, np.float64):
        try:
            samples = samples.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(_cell_message(row, modality, cell)) from error
    if samples.size == 0:
        raise ValueError(f"Window {row} of modality {modality!r} has no samples.")
    return np.atleast_2d(samples)


def _join_channels(row: int, cells: tuple[Any, ...], modality: str) -> NDArray[Any]:
    if len({cell.shape[1] for cell in cells}) > 1:
        lengths = [cell.shape[1] for cell in cells]
        raise ValueError(
            f"Window {row} of modality {modality!r} has channels of {lengths} samples; the columns "
            "given together are channels of one signal and must be equally long. Give signals of "
            "different sampling rates a transformer each, or bring them to one rate by "
            "SignalFilter(resample_to=...)."
        )
    return cells[0] if len(cells) == 1 else np.concatenate(cells)


def _cell_message(row: int, modality: str, cell: Any) -> str:
    given = f"{type(cell).__name__} {cell!r:.60}"
    if isinstance(cell, np.ndarray):
        given = f"an array of shape {cell.shape} and dtype {cell.dtype}"
    return (
        f"Window {row} of modality {modality!r} is {given}; expected an array of real numbers of "
        "shape (n_times,) or (n_channels, n_times). Drop the row or mend the cell."
    )


def _refuse_non_finite(signals: Signals, modality: str, allow_nan: bool) -> None:
    if signals.dtype.kind != "O" and np.isfinite(signals).all():
        return
    refused = np.isinf if allow_nan else _is_non_finite
    there = np.flatnonzero(~missing_rows(signals))
    bad_rows = [int(row) for row in there if refused(signals[row]).any()]
    if not bad_rows:
        return
    window = signals[bad_rows[0]]
    n_nan, n_infinite = int(np.isnan(window).sum()), int(np.isinf(window).sum())
    held = [f"{n} {name}" for n, name in [(n_nan, "NaN"), (n_infinite, "infinite")] if n]
    kinds = "infinity" if allow_nan else "NaN or infinity"
    raise ValueError(
        f"Window {bad_rows[0]} of modality {modality!r} holds {' and '.join(held)} of "
        f"{window.size} samples ({len(bad_rows)} of {len(signals)} windows hold {kinds}); drop "
        "such windows, or mark what is wrong as NaN and fill the gaps with "
        "SignalFilter(missing='interpolate')."
    )


def _is_non_finite(samples: NDArray[Any]) -> NDArray[np.bool_]:
    return ~np.isfinite(samples)
