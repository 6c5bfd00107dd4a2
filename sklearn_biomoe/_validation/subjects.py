"""Checks of subjects, given by groups or by a column of X, and of columns."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from .._typing import Array


def check_subjects(subjects: Any, n_rows: int) -> Array:
    """Return the subject of each row as a string or a number.

    Raise ValueError for gaps, and TypeError for other objects, or for both strings and numbers.
    """
    if not hasattr(subjects, "dtype"):  # as objects: NumPy would make the same string of 1 and "1"
        subjects = np.array(subjects, dtype=object)
    subjects = check_length("groups", subjects, n_rows)
    missing = pd.isna(subjects)
    if subjects.dtype.kind == "O" and not missing.any():
        subjects = _strings_or_numbers(subjects)
    if subjects.dtype.kind == "f":
        missing |= np.isinf(subjects)
    if missing.any():
        raise ValueError(
            f"The subject of row {missing.argmax()} is NaN, None or infinite (as in "
            f"{missing.sum()} of {n_rows} rows); drop such rows."
        )
    return subjects


def _strings_or_numbers(subjects: Array) -> Array:
    """Return objects as an array of strings or of numbers, which can be sorted."""
    is_string = np.array([isinstance(each, str) for each in subjects])
    if is_string.any() and not is_string.all():
        first, other = sorted((is_string.argmax(), is_string.argmin()))
        raise TypeError(
            f"groups has {subjects[first]!r} in row {first}, but {subjects[other]!r} in row "
            f"{other}; pass all subjects as strings or all as numbers."
        )
    values = np.array(subjects.tolist())
    if values.shape != subjects.shape or values.dtype.kind == "O":
        raise TypeError("Invalid type of subjects; each argument must be a string or a number.")
    return values


def check_length(name: str, values: Any, n_rows: int) -> Array:
    """Return ``values`` as an array of shape (n_rows,); raise ValueError for any other shape."""
    values = np.asarray(values)
    if values.shape != (n_rows,):
        raise ValueError(
            f"{name} has shape {values.shape}, but X has {n_rows} rows; expected one value per row."
        )
    return values


def column_names(X: Any) -> list[Any]:
    """Return the names of the columns, or their positions if X is an array."""
    if hasattr(X, "columns"):
        return list(getattr(X, "column_names", X.columns))  # Arrow's `columns` are values
    return list(range(X.shape[1]))


def column_position(parameter: str, column: str | int, names: list[Any]) -> int:
    """Return the position of a column given by name or position; raise ValueError if not found."""
    if isinstance(column, str) and column in names:
        return names.index(column)
    if isinstance(column, Integral) and -len(names) <= column < len(names):
        return int(column) % len(names)
    shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
    raise ValueError(
        f"{parameter}={column!r} is not a column of X, which has {len(names)}: {shown}. Arrays "
        "have no column names: pass a position, or a DataFrame (set_output(transform='pandas') on "
        "the previous step)."
    )


def column_values(X: Any, position: int) -> Array:
    """Return the values of a column of an array, DataFrame or table."""
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, position].to_numpy()
    return np.asarray(X[column_names(X)[position]] if hasattr(X, "columns") else X[:, position])


def name_some(names: Any, at_most: int = 5) -> str:
    """Return a list of names for messages, with the number of those left out.

    Examples
    --------
    >>> name_some(["a", "b", "c"], at_most=2)
    "'a', 'b' and 1 more"
    """
    names = np.asarray(names).tolist()
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(repr(name) for name in names[:at_most]) + more


def groups_for(estimator: Any, groups: Array) -> dict[str, Array]:
    """Return the keyword arguments that pass ``groups`` to `fit` of an estimator that uses them.

    With metadata routing, an estimator uses groups if it requests them. Without it, an estimator
    uses them if its `fit` has such a parameter, if it is a search whose ``cv`` splits by group, or
    if it is a Pipeline that ends in one of these.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV, GroupKFold
    >>> from sklearn.pipeline import Pipeline
    >>> search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=GroupKFold(2))
    >>> groups_for(Pipeline([("search", search)]), np.array([1, 1, 2, 2]))
    {'search__groups': array([1, 1, 2, 2])}
    >>> groups_for(LogisticRegression(), np.array([1, 1, 2, 2]))
    {}
    """
    if get_config()["enable_metadata_routing"]:
        is_requested = get_routing_for_object(estimator).consumes("fit", ["groups"])
        return {"groups": groups} if is_requested else {}
    if isinstance(estimator, Pipeline):
        last, step = estimator.steps[-1]
        return {f"{last}__{key}": value for key, value in groups_for(step, groups).items()}
    if hasattr(estimator, "cv") and hasattr(estimator, "estimator"):  # a search
        splits_groups = get_routing_for_object(estimator.cv).consumes("split", ["groups"])
        return {"groups": groups} if splits_groups else {}
    return {"groups": groups} if has_fit_parameter(estimator, "groups") else {}
