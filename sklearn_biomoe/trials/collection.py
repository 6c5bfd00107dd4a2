"""Windows to trials: rows gathered into bags, and predictions of windows after the fact."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from .._validation.parameters import check_option
from .._validation.subjects import check_length
from .._validation.targets import check_not_missing
from .bags import Array, aggregate

AGGREGATIONS = ["mean", "max"]


class Trials(NamedTuple):
    """One entry for each trial, in the order in which they first appear.

    Parameters
    ----------
    bags : ndarray of shape (n_trials,), object
        Cells are arrays of shape (n_windows, n_features), rows in the order they were given.
    y : ndarray of shape (n_trials,) or None
    groups : ndarray of shape (n_trials,) or None
    names : ndarray of shape (n_trials,)
    """

    bags: NDArray[np.object_]
    y: Array | None
    groups: Array | None
    names: Array


def gather_trials(
    X: ArrayLike, trials: ArrayLike, y: ArrayLike | None = None, groups: ArrayLike | None = None
) -> Trials:
    """Gather rows of windows into one bag for each trial.

    scikit-learn asks for one label, one subject and one prediction for each row of X: so a row has
    to be a trial where the trial has the label. Pass subjects as ``trials`` for one label per
    subject.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_windows, n_features)
        Embeddings of windows, or other numbers. Rows of NaN are missing windows.
    trials : array-like of shape (n_windows,)
        Name of each window's trial, unique across subjects. Windows of a trial need not be
        neighbours.
    y : array-like of shape (n_windows,), default=None
        Label or value of each window, the same all through a trial.
    groups : array-like of shape (n_windows,), default=None
        Subject of each window, the same all through a trial.

    Returns
    -------
    trials : Trials
        A named tuple (bags, y, groups, names), to be unpacked.

    Raises
    ------
    ValueError
        For labels or subjects that differ inside a trial; trials, labels or subjects that are
        missing or of another number than rows; a trial whose windows are all missing; rows with
        infinity, or NaN among numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe.trials import gather_trials
    >>> embeddings = np.arange(8.0).reshape(4, 2)
    >>> trials, labels = ["b", "a", "b", "b"], ["pain", "none", "pain", "pain"]
    >>> bags, y, groups, names = gather_trials(embeddings, trials, y=labels, groups=[1, 2, 1, 1])
    >>> [bag.shape for bag in bags]
    [(3, 2), (1, 2)]
    >>> y.tolist(), groups.tolist(), names.tolist()
    (['pain', 'none'], [1, 2], ['b', 'a'])
    """
    windows = check_array(X, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan")
    names, trial_of_window = _read_trials(trials, windows)
    labels = None if y is None else _one_per_trial("y", y, names, trial_of_window)
    subjects = None if groups is None else _one_per_trial("groups", groups, names, trial_of_window)
    order = np.argsort(trial_of_window, kind="stable")
    ends = np.cumsum(np.bincount(trial_of_window))
    bags = np.empty(len(names), dtype=object)
    for position, bag in enumerate(np.split(windows[order], ends[:-1])):
        bags[position] = bag  # one by one: of bags of one shape numpy would make a 3-D array
    return Trials(bags, labels, subjects, names)


def aggregate_windows(
    values: ArrayLike, trials: ArrayLike, how: str = "mean"
) -> pd.DataFrame | pd.Series:
    """Reduce what is known of windows to one row for each trial.

    For predictions of a classifier that was trained on single windows, or for embeddings. Windows
    of a trial have to stand in the same fold: split by subject.

    Parameters
    ----------
    values : array-like or DataFrame of shape (n_windows, n_values), or (n_windows,)
        Such as probabilities from `cross_val_predict`. Rows of NaN are missing windows.
    trials : array-like of shape (n_windows,)
        Name of each window's trial.
    how : {"mean", "max"}, default="mean"
        Mean or largest of each value over the windows that are there. Largest probabilities do not
        sum to 1; their order still tells the class.

    Returns
    -------
    aggregated : DataFrame of shape (n_trials, n_values), or Series for values of one dimension
        Indexed by trial, in the order in which they first appear.

    Raises
    ------
    ValueError
        For an unknown ``how``; trials that are missing or of another number than rows; a trial
        whose windows are all missing; rows with infinity, or NaN among numbers.

    Examples
    --------
    >>> from sklearn_biomoe.trials import aggregate_windows
    >>> probabilities = [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]
    >>> aggregate_windows(probabilities, ["first", "first", "second"])
               0     1
    trial
    first   0.65  0.35
    second  0.20  0.80
    """
    check_option("how", how, AGGREGATIONS)
    columns = values.columns if isinstance(values, pd.DataFrame) else None
    one_dimensional = np.ndim(values) == 1
    table = np.reshape(values, (-1, 1)) if one_dimensional else values
    windows = check_array(table, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan")
    names, trial_of_window = _read_trials(trials, windows)
    there = ~np.isnan(windows[:, 0])
    order = np.argsort(trial_of_window[there], kind="stable")
    lengths = np.bincount(trial_of_window[there])
    rows = aggregate(windows[there][order], lengths, how)
    frame = pd.DataFrame(rows, index=pd.Index(names, name="trial"), columns=columns)
    return frame.iloc[:, 0].rename(None) if one_dimensional else frame


def _read_trials(trials: ArrayLike, windows: Array) -> tuple[Array, NDArray[np.int64]]:
    """Names of trials, and the position of each window's among them."""
    names = check_length("trials", trials, len(windows))
    check_not_missing("trials", names)
    # By pandas, which keeps the order of first appearance.
    trial_of_window, found = pd.factorize(names)
    gaps = np.isnan(windows).sum(axis=1)
    some = np.flatnonzero((gaps > 0) & (gaps < windows.shape[1]))
    if some.size:
        row = int(some[0])
        raise ValueError(
            f"Row {row}, of trial {_show(names[row])}, holds {gaps[row]} NaN of "
            f"{windows.shape[1]} values; impute them, or make all of them NaN: then the window "
            "counts as missing."
        )
    n_there = np.bincount(trial_of_window[gaps == 0], minlength=len(found))
    if (n_there == 0).any():
        empty = found[int(np.argmin(n_there))]
        raise ValueError(
            f"Trial {_show(empty)} has no windows but missing ones (rows of NaN); drop its rows."
        )
    return np.asarray(found), trial_of_window


def _one_per_trial(
    parameter: str, given: ArrayLike, names: Array, trial_of_window: NDArray[np.int64]
) -> Array:
    """Return one value for each trial, and refuse trials with several."""
    values = check_length(parameter, given, len(trial_of_window))
    check_not_missing(parameter, values)
    first = np.unique(trial_of_window, return_index=True)[1]
    differing = np.flatnonzero(values != values[first][trial_of_window])
    if differing.size:
        row = int(differing[0])
        trial = trial_of_window[row]
        before, name = first[trial], _show(names[trial])
        hint = {
            "y": "a trial has one label: correct y, or give its parts names of their own.",
            "groups": "a trial is of one subject: make names unique, such as '<subject> <trial>'.",
        }[parameter]
        raise ValueError(
            f"{parameter} differs inside trial {name}: {_show(values[before])} in row {before}, "
            f"{_show(values[row])} in row {row}; {hint}"
        )
    return values[first]


def _show(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)
