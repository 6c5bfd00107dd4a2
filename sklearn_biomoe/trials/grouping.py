"""Windows grouped into trials: into bags before training, or by their predictions afterwards."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from .._typing import Array, Rows
from .._validation.parameters import check_option
from .._validation.subjects import check_length
from .._validation.targets import check_not_missing
from .bags import AGGREGATIONS, DTYPES, IMPUTE, Bags, partly_missing


class Trials(NamedTuple):
    """One entry for each trial, in the order of their first windows.

    Parameters
    ----------
    bags : ndarray of shape (n_trials,), object
        Cells are arrays of shape (n_windows, n_features), with windows in the order of X.
    y : ndarray or, of ordered levels, `pandas.Categorical` of shape (n_trials,), or None
    groups : ndarray of shape (n_trials,) or None
    names : ndarray of shape (n_trials,)
    """

    bags: NDArray[np.object_]
    y: Any
    groups: Array | None
    names: Array


def gather_trials(
    X: ArrayLike, trials: ArrayLike, y: ArrayLike | None = None, groups: ArrayLike | None = None
) -> Trials:
    """Group windows into one bag for each trial.

    scikit-learn expects one label, one subject and one prediction per row of X. If trials have the
    labels, a row of X has to be a trial. If subjects have the labels, pass subjects as ``trials``.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_windows, n_features)
        Embeddings or other features of windows. Rows of NaN are missing windows.
    trials : array-like of shape (n_windows,)
        Name of each window's trial, unique across subjects. The windows of a trial may be in any
        rows.
    y : array-like of shape (n_windows,), default=None
        Label or value of each window, the same for all windows of a trial.
    groups : array-like of shape (n_windows,), default=None
        Subject of each window, the same for all windows of a trial.

    Returns
    -------
    trials : Trials
        A named tuple (bags, y, groups, names).

    Raises
    ------
    ValueError
        If labels or subjects differ within a trial; trials, labels or subjects have gaps or another
        length than X; all windows of a trial are missing; a row contains infinity or some NaN.

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
    bags, names, trial_of_window = _group(X, trials)
    labels: Any = None if y is None else _one_per_trial("y", y, names, trial_of_window)
    dtype = getattr(y, "dtype", None)
    if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered:
        labels = pd.Categorical(labels, dtype=dtype)
    subjects = None if groups is None else _one_per_trial("groups", groups, names, trial_of_window)
    return Trials(bags.to_cells(), labels, subjects, names)


def aggregate_windows(
    values: ArrayLike, trials: ArrayLike, how: str = "mean"
) -> pd.DataFrame | pd.Series:
    """Reduce values of windows to one row for each trial.

    For the predictions of a classifier of single windows, or for embeddings. To evaluate such
    predictions, split by subject, so that all windows of a trial are in the same fold.

    Parameters
    ----------
    values : array-like or DataFrame of shape (n_windows, n_values), or (n_windows,)
        Such as probabilities from `cross_val_predict`. Rows of NaN are missing windows.
    trials : array-like of shape (n_windows,)
        Name of each window's trial.
    how : {"mean", "max"}, default="mean"
        Mean or maximum of each value over the windows that are not missing. Maximum probabilities
        do not sum to 1; the largest is that of the predicted class.

    Returns
    -------
    aggregated : DataFrame of shape (n_trials, n_values), or Series if ``values`` has one dimension
        Indexed by trial, in the order of their first windows.

    Raises
    ------
    ValueError
        If ``how`` is unknown; trials have gaps or another length than ``values``; all windows of a
        trial are missing; a row contains infinity or some NaN.

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
    bags, names, _ = _group(np.reshape(values, (-1, 1)) if one_dimensional else values, trials)
    rows = bags.without_missing().aggregate(how)
    frame = pd.DataFrame(rows, index=pd.Index(names, name="trial"), columns=columns)
    return frame.iloc[:, 0].rename(None) if one_dimensional else frame


def _group(X: ArrayLike, trials: ArrayLike) -> tuple[Bags, Array, Rows]:
    """Return bags, the names of their trials, and for each window the position of its trial."""
    windows = check_array(X, dtype=DTYPES, ensure_all_finite="allow-nan")
    trial_of_row = check_length("trials", trials, len(windows))
    check_not_missing("trials", trial_of_row)
    incomplete = partly_missing(windows)
    if incomplete.any():
        row = int(incomplete.argmax())
        raise ValueError(
            f"Row {row}, of trial {_show(trial_of_row[row])}, has {np.isnan(windows[row]).sum()} "
            f"NaN in {windows.shape[1]} values; {IMPUTE}"
        )
    trial_of_window, names = pd.factorize(trial_of_row)  # in the order of first appearance
    order = np.argsort(trial_of_window, kind="stable")
    bags = Bags(windows[order], np.bincount(trial_of_window))
    empty = bags.without_missing().lengths == 0
    if empty.any():
        raise ValueError(
            f"Trial {_show(names[int(empty.argmax())])} has only missing windows (rows of NaN); "
            "drop its rows."
        )
    return bags, np.asarray(names), trial_of_window


def _one_per_trial(parameter: str, values: ArrayLike, names: Array, trial_of_window: Rows) -> Array:
    """Return one value for each trial; raise ValueError if they differ within a trial."""
    values = check_length(parameter, values, len(trial_of_window))
    check_not_missing(parameter, values)
    first = np.unique(trial_of_window, return_index=True)[1]
    differing = np.flatnonzero(values != values[first][trial_of_window])
    if differing.size:
        row = int(differing[0])
        trial = trial_of_window[row]
        hint = {
            "y": "a trial has one label; correct y, or give parts of the trial different names.",
            "groups": "a trial has one subject; use unique names, such as '<subject> <trial>'.",
        }[parameter]
        raise ValueError(
            f"{parameter} differs within trial {_show(names[trial])}: "
            f"{_show(values[first[trial]])} in row {first[trial]}, {_show(values[row])} in row "
            f"{row}; {hint}"
        )
    return values[first]


def _show(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)
