"""Windows: one signal's windows, read from any container and checked once."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from .._typing import Array, Mask, Rows
from .containers import cell_columns, column_cells, is_missing

NUMBER_AT_END = re.compile(r"[-_ .]*\d+$")
MOST_CHANNELS_OF_SHORT_WINDOWS = 8  # windows of a few samples occur in tests of estimators

NUMERIC = {"dtype": [np.float64, np.float32], "allow_nd": True, "ensure_all_finite": False}


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one signal, read and checked.

    Parameters
    ----------
    values : ndarray
        float32 or float64 of shape (n_windows, n_channels, n_times); or, if lengths differ, of
        shape (n_windows,) and dtype object, with arrays of shape (n_channels, n_times). Missing
        windows are NaN.
    missing : ndarray of shape (n_windows,), bool
        Which windows are missing entirely.
    index : pandas.Index or None, default=None
        Row labels of the frame or Series that the windows were in.

    Examples
    --------
    >>> import numpy as np
    >>> windows = read_windows([np.zeros(240), None, np.zeros(200)], modality="eda")
    >>> len(windows), windows.n_channels, windows.lengths.tolist(), windows.missing.tolist()
    (3, 1, [240, 240, 200], [False, True, False])
    >>> [(rows.tolist(), values.shape) for rows, values in windows.by_length()]
    [([2], (1, 1, 200)), ([0, 1], (2, 1, 240))]
    """

    values: Array
    missing: Mask
    index: pd.Index | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | Array) -> "Windows":
        index = None if self.index is None else self.index[rows]
        return Windows(self.values[rows], self.missing[rows], index)

    @property
    def present(self) -> "Windows":
        """The windows that are not missing."""
        return self[~self.missing] if self.missing.any() else self

    @property
    def n_channels(self) -> int:
        """Channels of each window."""
        return int(self.values[0].shape[0])

    @property
    def lengths(self) -> Rows:
        """Samples of each window, (n_windows,)."""
        return np.array([window.shape[-1] for window in self.values], dtype=np.int64)

    def shortest(self) -> tuple[int, int]:
        """Return the row and the samples of the first of the shortest windows not missing."""
        rows = np.flatnonzero(~self.missing)
        row = int(rows[self.lengths[rows].argmin()]) if len(rows) else 0
        return row, int(self.values[row].shape[-1])

    def by_length(self) -> Iterator[tuple[Rows, Array]]:
        """Yield windows of equal length: their rows, and values (n, n_channels, n_times)."""
        if self.values.dtype.kind != "O":
            yield np.arange(len(self)), self.values
            return
        lengths = self.lengths
        for n_times in np.unique(lengths):
            rows = np.flatnonzero(lengths == n_times)
            yield rows, np.stack(list(self.values[rows]))

    def map(self, function: Callable[[Array], Array]) -> "Windows":
        """Apply a function to all windows of one length at a time; missing ones stay missing.

        Parameters
        ----------
        function : callable
            Maps an array (n, n_channels, n_times) to one of n windows. Missing windows are given
            as zeros, since their shape changes with the others.

        Returns
        -------
        windows : Windows
        """
        changed = np.empty(len(self), dtype=object)
        for rows, values in self.by_length():
            missing = self.missing[rows]
            if missing.any():
                values = values.copy()
                values[missing] = 0
            result = function(values)
            if missing.any():
                result[missing] = np.nan
            if len(rows) == len(self):
                return replace(self, values=result)
            for row, window in zip(rows, result, strict=True):
                changed[row] = window
        return replace(self, values=changed)


def read_windows(X: Any, *, modality: str, allow_nan: bool = False) -> Windows:
    """Read windows in any supported form.

    Parameters
    ----------
    X : array-like, Series, list, DataFrame, Arrow or polars column
        One of: numbers of shape (n_windows, n_times) or (n_windows, n_channels, n_times), such as
        wide numeric DataFrame columns; a list, object array, Series, Arrow array or polars Series
        whose items are arrays of shape (n_times,) or (n_channels, n_times) that may differ in
        n_times; a frame or table of such columns, one for each channel.
    modality : str
        Named in error messages.
    allow_nan : bool, default=False
        Accept windows with some NaN samples. Infinity is always refused.

    Returns
    -------
    windows : Windows
        float32 or float64, as given; other types become float64. A missing cell becomes as many
        NaN as the first window that is not missing has samples.

    Raises
    ------
    ValueError
        If windows are empty, without samples, complex, of more than 3 dimensions or not finite;
        if a cell is not an array of numbers; if the number of channels differs between windows, or
        exceeds that of samples; and if a frame has numbered columns beside others, such as
        "label". The message names the row or column.

    Examples
    --------
    >>> import numpy as np
    >>> read_windows(np.zeros((5, 240)), modality="eda").values.shape
    (5, 1, 240)
    """
    X = fill_masked(X)
    columns = _columns(X, modality)
    values = _from_numbers(check_array(X, **NUMERIC)) if columns is None else None
    return _checked(X, values, columns, modality, allow_nan)


def validate_windows(
    estimator: BaseEstimator, X: Any, *, modality: str, reset: bool, allow_nan: bool = False
) -> Windows:
    """Read windows for an estimator, and compare them with those seen in `fit`.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_channels_``, ``n_times_`` (of the first window that is not missing),
        ``n_features_in_`` (n_times of 2-D, n_channels of 3-D input, else the number of columns of
        cells) and, from frames with string names, ``feature_names_in_``.
    X : array-like, Series, list, DataFrame, Arrow or polars column
        As in `read_windows`.
    modality : str
        Named in error messages.
    reset : bool
        True in `fit`; False to compare with what `fit` saw.
    allow_nan : bool, default=False
        Accept NaN samples.

    Returns
    -------
    windows : Windows
        As from `read_windows`.

    Raises
    ------
    ValueError
        As from `read_windows`; if the number of columns or channels differs from that in `fit`;
        and in `fit` if all windows are missing.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> estimator = BaseEstimator()
    >>> windows = validate_windows(estimator, np.zeros((5, 240)), modality="eda", reset=True)
    >>> estimator.n_features_in_, estimator.n_channels_
    (240, 1)
    """
    X = fill_masked(X)
    columns = _columns(X, modality)
    values = None
    if columns is None:
        values = _from_numbers(validate_data(estimator, X, reset=reset, **NUMERIC))
    elif hasattr(X, "columns"):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    elif reset:
        estimator.n_features_in_ = 1
        vars(estimator).pop("feature_names_in_", None)  # of an earlier fit
    windows = _checked(X, values, columns, modality, allow_nan)
    if windows.missing.all():
        return _all_missing(estimator, windows, modality, reset)
    n_channels, n_times = windows.values[windows.missing.argmin()].shape
    if reset:
        estimator.n_channels_ = n_channels
        estimator.n_times_ = n_times
    elif n_channels != estimator.n_channels_:
        raise ValueError(
            f"Windows of modality {modality!r} have {n_channels} channels, but "
            f"{type(estimator).__name__} was fitted with {estimator.n_channels_}."
        )
    return windows


def label_windows(windows: list[Array], X: pd.DataFrame | pd.Series, *, modality: str) -> pd.Series:
    """Put windows into cells, with the row labels of ``X`` and the name of its only column."""
    name = X.name if isinstance(X, pd.Series) else X.columns[0] if X.shape[1] == 1 else modality
    return pd.Series(windows, index=X.index, name=name, dtype=object)


def fill_masked(samples: Any) -> Any:
    """Replace masked values of a masked array by NaN."""
    if not isinstance(samples, np.ma.MaskedArray):
        return samples
    numbers: Any = samples.astype(np.result_type(samples.dtype, np.float32))
    return numbers.filled(np.nan)


def _columns(X: Any, modality: str) -> list[Any] | None:
    """Columns of cells, or None for numbers; refuse containers without windows."""
    if isinstance(X, pd.DataFrame):
        _refuse_mixed_names(X.columns, modality)
    if isinstance(X, list | tuple | pd.Series | pd.DataFrame) and not len(X):
        raise ValueError(
            f"Found 0 sample(s) of modality {modality!r} while a minimum of 1 is required."
        )
    columns = cell_columns(X)
    if columns is None and isinstance(X, pd.DataFrame):
        _refuse_unordered_names(list(X.columns), modality)
    return columns


def _checked(
    X: Any, values: Array | None, columns: list[Any] | None, modality: str, allow_nan: bool
) -> Windows:
    values = _from_columns(columns or [], modality) if values is None else values
    index = X.index if isinstance(X, pd.DataFrame | pd.Series) else None
    windows = Windows(values, _missing_rows(values), index)
    _refuse_many_channels(windows, modality)
    _refuse_non_finite(windows, modality, allow_nan)
    return windows


def _refuse_mixed_names(names: pd.Index, modality: str) -> None:
    """Refuse numbered columns, such as eda_0 to eda_239, beside columns of other names."""
    if not all(isinstance(name, str) for name in names):
        return
    stems = [NUMBER_AT_END.sub("", name) for name in names]
    stem, count = Counter(stems).most_common(1)[0] if stems else ("", 0)
    numbered = [name for name, own in zip(names, stems, strict=True) if own == stem != name]
    others = [name for name, own in zip(names, stems, strict=True) if own != stem]
    if count < 3 or len(numbered) < count or not others:
        return
    shown = ", ".join(map(repr, others[:5])) + (", ..." if len(others) > 5 else "")
    raise ValueError(
        f"Windows of modality {modality!r} are in the columns {numbered[0]!r} to {numbered[-1]!r}, "
        f"but X also has {shown}, which would be read as samples; select the columns of one signal."
    )


def _refuse_unordered_names(names: list[Any], modality: str) -> None:
    """Refuse numbered columns of samples in another order, as text is sorted: eda_1, eda_10."""
    stem = NUMBER_AT_END.sub("", str(names[0])) if names else ""
    if not all(isinstance(name, str) and NUMBER_AT_END.sub("", name) == stem for name in names):
        return
    numbers = [int(name.removeprefix(stem).lstrip("-_ .") or 0) for name in names]
    for at in range(1, len(numbers)):
        if numbers[at] <= numbers[at - 1]:
            raise ValueError(
                f"Column {names[at]!r} of modality {modality!r} follows {names[at - 1]!r}, but "
                "columns are read in their order as samples; sort them by their numbers: "
                "X[sorted(X, key=lambda name: int(re.search('[0-9]+$', name)[0]))]."
            )


def _refuse_many_channels(windows: Windows, modality: str) -> None:
    """Refuse windows with more channels than samples: time is probably not the last axis."""
    row, n_times = windows.shortest()
    if windows.n_channels > max(n_times, MOST_CHANNELS_OF_SHORT_WINDOWS):
        raise ValueError(
            f"Window {row} of modality {modality!r} has {windows.n_channels} channels of {n_times} "
            "samples; expected shape (n_windows, n_channels, n_times) with time last. If time is "
            "the second axis, pass X.transpose(0, 2, 1); of column vectors pass X[:, :, 0]."
        )


def _missing_rows(values: Array) -> Mask:
    if values.dtype.kind != "O":
        missing: Mask = np.isnan(values[:, 0, 0])  # so that few are searched entirely
        missing[missing] = np.isnan(values[missing]).all(axis=(1, 2))
        return missing
    return np.array([bool(np.isnan(window).all()) for window in values])


def _all_missing(estimator: BaseEstimator, windows: Windows, modality: str, reset: bool) -> Windows:
    """Return windows of NaN in the shape that `fit` saw, which missing cells do not have."""
    if reset:
        raise ValueError(
            f"All {len(windows)} windows of modality {modality!r} are missing; "
            f"{type(estimator).__name__} needs one or more in fit."
        )
    shape = (len(windows), estimator.n_channels_, estimator.n_times_)
    return replace(windows, values=np.full(shape, np.nan, dtype=windows.values[0].dtype))


def _from_numbers(numbers: Array) -> Array:
    if numbers.ndim > 3:
        raise ValueError(
            f"Found array with dim {numbers.ndim}, while dim <= 3 is required: windows have shape "
            "(n_windows, n_times) or (n_windows, n_channels, n_times)."
        )
    if numbers.size == 0:
        raise ValueError(f"Found windows without samples (shape={numbers.shape}).")
    numbers = numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
    return numbers if numbers.ndim == 3 else numbers[:, None, :]


def _from_columns(columns: list[Any], modality: str) -> Array:
    channels = [
        [_read_cell(row, cell, modality) for row, cell in enumerate(column_cells(column))]
        for column in columns
    ]
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
    values = np.empty(len(rows), dtype=object)
    for row, window in enumerate(rows):
        values[row] = window
    return values


def _read_cell(row: int, cell: Any, modality: str) -> Array | None:
    """Return one window as float (n_channels, n_times); None if it is missing."""
    cell = fill_masked(cell)
    if is_missing(cell):
        return None
    samples = np.asarray(cell)
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fiubO":
        raise ValueError(_cell_message(row, modality, cell))
    if samples.dtype not in (np.float32, np.float64):
        try:
            samples = samples.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(_cell_message(row, modality, cell)) from error
    if samples.size == 0:
        raise ValueError(f"Window {row} of modality {modality!r} has no samples.")
    return np.atleast_2d(samples)


def _join_channels(row: int, cells: tuple[Any, ...], modality: str) -> Array:
    lengths = [cell.shape[1] for cell in cells]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"Window {row} of modality {modality!r} has channels of {lengths} samples; columns "
            "that are given together are channels of one signal and need equal lengths. Use one "
            "transformer for each sampling rate, or resample with SignalFilter(resample_to=...)."
        )
    return cells[0] if len(cells) == 1 else np.concatenate(cells)


def _cell_message(row: int, modality: str, cell: Any) -> str:
    given = f"{type(cell).__name__} {cell!r:.60}"
    if isinstance(cell, np.ndarray):
        given = f"an array of shape {cell.shape} and dtype {cell.dtype}"
    return (
        f"Window {row} of modality {modality!r} is {given}; expected an array of real numbers of "
        "shape (n_times,) or (n_channels, n_times). Drop the row or correct the cell."
    )


def _refuse_non_finite(windows: Windows, modality: str, allow_nan: bool) -> None:
    values = windows.values
    if values.dtype.kind != "O" and np.isfinite(values).all():
        return
    refused: Callable[[Array], Array] = np.isinf if allow_nan else _is_not_finite
    bad_rows = [int(row) for row in np.flatnonzero(~windows.missing) if refused(values[row]).any()]
    if not bad_rows:
        return
    window = values[bad_rows[0]]
    n_nan, n_infinite = int(np.isnan(window).sum()), int(np.isinf(window).sum())
    held = [f"{n} {name}" for n, name in [(n_nan, "NaN"), (n_infinite, "infinite")] if n]
    kinds = "infinity" if allow_nan else "NaN or infinity"
    raise ValueError(
        f"Window {bad_rows[0]} of modality {modality!r} holds {' and '.join(held)} of "
        f"{window.size} samples ({len(bad_rows)} of {len(windows)} windows hold {kinds}); drop "
        "these windows, or set wrong samples to NaN and fill them with "
        "SignalFilter(missing='interpolate')."
    )


def _is_not_finite(samples: Array) -> Mask:
    return ~np.isfinite(samples)
